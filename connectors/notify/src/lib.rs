//! connector-notify
