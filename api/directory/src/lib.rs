//! The directory of doctors: who is found while typing, in what order, and what everybody may know of them (domain rules DIR-1 to DIR-6).
//!
//! All doctors are kept in memory, made ready to be searched ([`index`]); a [`Keeper`] keeps them as the store has them, and knows of each
//! the earliest slot that is free.

mod changes;
mod definition;
mod doctor;
mod free;
pub mod index;
mod keeper;
mod pages;
pub mod public;
mod texts;
mod words;

pub use definition::{definition, definition_url, parameters};
pub use doctor::Doctor;
pub use index::{Found, Index, Listed, Query};
pub use keeper::{Directory, Keeper};
pub use texts::Text;

/// Extensions and code systems of the directory.
pub mod system {
    /// The titles of doctors (GB/T 8561): `231` is a chief physician.
    pub const TITLE: &str = "urn:impf:cs:title";
    /// The numbers of the HIS's staff.
    pub const STAFF: &str = "urn:impf:his:staff";
    /// Of a PractitionerRole: the doctor serves online, and is listed whatever the title (DIR-2).
    pub const ONLINE: &str = "urn:impf:ext:online-service";
    /// Tags 标签 of a PractitionerRole, in `meta.tag` (OPS-1): 首席名医天团, 专科中心带头人.
    pub const TAG: &str = "urn:impf:cs:tag";
    /// Of an entry of what was found: whether a visit can be booked (DIR-3).
    pub const BOOKABLE: &str = "urn:impf:ext:bookable";
    /// Of an entry of what was found: when the next free slot begins.
    pub const NEXT_FREE: &str = "urn:impf:ext:next-free";
    /// Of an entry of what was found: a text as it is to be shown, and the language that it is in (DIR-5).
    pub const SHOWN: &str = "urn:impf:ext:shown";
}
