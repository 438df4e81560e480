//! Objects in an S3-compatible storage: put in parts, so that none is in memory whole, and given out as they come.

use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use hub_core::attachment::PlaceId;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{
    ClientOptions, GetOptions, MultipartUpload, ObjectStore, ObjectStoreExt as _, PutPayload,
};
use time::OffsetDateTime;

use crate::storage::{Fetch, Put, Storage, StorageError};

/// The size of a part: above the 5 MiB that S3 asks for; at most 10,000 of them make an object, 80 GiB.
const PART: usize = 8 << 20;
/// How long one request may take, all of an object that is read included.
const PATIENCE: Duration = Duration::from_secs(600);

/// Where objects are and how they are reached.
#[derive(Clone)]
pub struct S3Settings {
    /// `https://s3.hospital.example`; without one, that of the region at AWS.
    pub endpoint: Option<String>,
    /// The bucket. It is there.
    pub bucket: String,
    /// The region.
    pub region: String,
    /// What the names of all objects begin with.
    pub prefix: String,
    /// The key's name.
    pub access_key: String,
    /// The key.
    pub secret_key: String,
}

impl std::fmt::Debug for S3Settings {
    /// Never the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "S3Settings({:?}, {})", self.endpoint, self.bucket)
    }
}

/// A bucket, or a part of one.
#[derive(Clone, Debug)]
pub struct S3 {
    store: AmazonS3,
    prefix: Path,
}

impl S3 {
    /// Objects in this bucket. Nothing is connected yet.
    pub fn new(settings: &S3Settings) -> Result<Self, StorageError> {
        // Its client takes the provider of the process. One that is installed already is the same.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&settings.bucket)
            .with_region(&settings.region)
            .with_access_key_id(&settings.access_key)
            .with_secret_access_key(&settings.secret_key)
            // One at a time, which every storage knows.
            .with_disable_bulk_delete(true)
            .with_client_options(ClientOptions::new().with_timeout(PATIENCE));
        if let Some(endpoint) = &settings.endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        Ok(Self { store: builder.build()?, prefix: Path::parse(&settings.prefix)? })
    }

    fn path_of(&self, place: PlaceId) -> Path {
        self.prefix.clone().join(place.to_string())
    }
}

#[async_trait]
impl Storage for S3 {
    async fn begin(&self, place: PlaceId) -> Result<Box<dyn Put>, StorageError> {
        let (store, path) = (self.store.clone(), self.path_of(place));
        Ok(Box::new(PartPut { store, path, gathered: BytesMut::new(), upload: None }))
    }

    async fn fetch(&self, place: PlaceId, range: Range<u64>) -> Result<Option<Box<dyn Fetch>>, StorageError> {
        let path = self.path_of(place);
        // There is no range of no bytes.
        let found = match range.is_empty() {
            true => self.store.head(&path).await.map(|_| futures_util::stream::empty().boxed()),
            false => {
                let options = GetOptions { range: Some(range.into()), ..GetOptions::default() };
                self.store.get_opts(&path, options).await.map(object_store::GetResult::into_stream)
            }
        };
        match found {
            Ok(stream) => Ok(Some(Box::new(StreamFetch(stream)))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn delete(&self, place: PlaceId) -> Result<(), StorageError> {
        match self.store.delete(&self.path_of(place)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Parts of uploads that were never ended are not listed: the bucket's own rule deletes them (`AbortIncompleteMultipartUpload`).
    async fn older(&self, than: OffsetDateTime) -> Result<Vec<PlaceId>, StorageError> {
        let mut listed = self.store.list(Some(&self.prefix));
        let mut older = Vec::new();
        while let Some(object) = listed.next().await {
            let object = object?;
            let is_old = object.last_modified.timestamp() < than.unix_timestamp();
            let place = object.location.filename().and_then(|name| name.parse().ok()).map(PlaceId);
            older.extend(place.filter(|_| is_old));
        }
        Ok(older)
    }
}

/// An object on its way in. One that is small is put at once, when it is whole.
struct PartPut {
    store: AmazonS3,
    path: Path,
    gathered: BytesMut,
    upload: Option<Box<dyn MultipartUpload>>,
}

impl PartPut {
    async fn put_part(&mut self) -> Result<(), StorageError> {
        let part = PutPayload::from(self.gathered.split().freeze());
        let upload = match &mut self.upload {
            Some(upload) => upload,
            none => none.insert(self.store.put_multipart(&self.path).await?),
        };
        Ok(upload.put_part(part).await?)
    }
}

#[async_trait]
impl Put for PartPut {
    async fn add(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        self.gathered.extend_from_slice(&bytes);
        if self.gathered.len() >= PART {
            self.put_part().await?;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), StorageError> {
        if self.upload.is_none() {
            let whole = PutPayload::from(self.gathered.split().freeze());
            self.store.put(&self.path, whole).await?;
            return Ok(());
        }
        if !self.gathered.is_empty() {
            self.put_part().await?;
        }
        if let Some(upload) = &mut self.upload {
            upload.complete().await?;
        }
        self.upload = None;
        Ok(())
    }
}

impl Drop for PartPut {
    /// What was begun and not ended is given up; where that fails the bucket's own rule does it.
    fn drop(&mut self) {
        let (Some(mut upload), Ok(runtime)) = (self.upload.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        runtime.spawn(async move {
            if let Err(error) = upload.abort().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "The parts of an attachment that broke off could not be deleted."
                );
            }
        });
    }
}

struct StreamFetch(BoxStream<'static, object_store::Result<Bytes>>);

#[async_trait]
impl Fetch for StreamFetch {
    async fn next(&mut self) -> Result<Option<Bytes>, StorageError> {
        Ok(self.0.next().await.transpose()?)
    }
}
