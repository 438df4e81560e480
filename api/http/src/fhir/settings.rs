//! What the FHIR door grants those who write.

/// The settings of the FHIR door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FhirSettings {
    /// Whether resources may be written through the door; otherwise it only reads.
    pub writes: bool,
    /// The largest body that is taken, in bytes.
    pub body_bytes: usize,
    /// How many entries a batch or transaction may have.
    pub bundle_entries: usize,
    /// Whether a conditional delete may delete several resources (R4B §3.1.0.7.1); otherwise it must find at most one.
    pub delete_several: bool,
}

impl Default for FhirSettings {
    fn default() -> Self {
        Self { writes: true, body_bytes: 16 << 20, bundle_entries: 2_000, delete_several: false }
    }
}
