//! hub-r4b
