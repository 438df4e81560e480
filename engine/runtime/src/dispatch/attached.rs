//! Delivers the attachment that a parcel stands for.

use hub_core::attachment::{AttachmentError, Outgoing, Slip};
use hub_core::commit::Parcel;
use hub_core::destination::{Delivered, DeliveryError};

use super::Dispatcher;

impl Dispatcher {
    /// Hands over the bytes that the slip in a parcel names, a piece at a time.
    pub(super) async fn deliver_attachment(&self, parcel: &Parcel) -> Result<Delivered, DeliveryError> {
        let outgoing = self.outgoing(parcel).await?;
        self.destination.deliver_attachment(parcel, outgoing).await
    }

    async fn outgoing(&self, parcel: &Parcel) -> Result<Outgoing, DeliveryError> {
        let never = |reason: &str| DeliveryError::Never { reason: reason.to_owned() };
        let slip = Slip::read(&parcel.body).ok_or_else(|| never("it holds no slip of an attachment"))?;
        let attachments = self.attachments.as_ref().ok_or_else(|| failed(&AttachmentError::None))?;
        let kept = attachments.find(slip.content).await.map_err(|error| failed(&error))?;
        let kept = kept.ok_or_else(|| never("its attachment is not kept any more"))?;
        let reading = attachments.open(&kept, 0..kept.size).await.map_err(|error| failed(&error))?;
        Ok(Outgoing { slip, reading })
    }
}

/// Nothing has been sent: it is tried again, for an object that is missing may be brought back.
fn failed(error: &AttachmentError) -> DeliveryError {
    DeliveryError::Later { reason: error.to_string(), after: None }
}
