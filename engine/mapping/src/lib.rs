//! hub-mapping
