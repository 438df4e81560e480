//! connector-lis
