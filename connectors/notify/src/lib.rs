//! Notices to people: to the ward's own service, by SMS (section 18 of the profile) and by WeChat.
//!
//! SMS and WeChat take the same parcel, a [`notice::Notice`], and hand back the same answer, a [`notice::Told`]: no channel and no
//! workflow knows which gateway it is. In reading order:

use hub_core::registry::Registry;

pub mod notice;

pub mod destination;
mod gateway;
pub mod receipts;
pub mod sim;
pub mod sms;
pub mod templates;
pub mod wechat;

/// Makes the destinations `notify`, `sms` and `wechat` and the source `sms-receipts` known.
pub fn register(registry: &mut Registry) {
    registry.destination::<destination::Notify>();
    registry.destination::<sms::Sms>();
    registry.destination::<wechat::Wechat>();
    registry.source::<receipts::SmsReceipts>();
}
