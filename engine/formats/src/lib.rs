//! hub-formats
