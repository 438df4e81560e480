//! hub-spec
