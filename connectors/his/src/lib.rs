//! connector-his
