//! The body of an upload: `multipart/form-data`, its module streamed to a temporary file.

use std::sync::Arc;

use axum::RequestExt;
use axum::body::Bytes;
use axum::extract::Request;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use serde_json::Value;
use utoipa::ToSchema;
use wasimancer_catalog::{Incoming, Upload, apart};

use crate::definition::PluginDefinition;
use crate::error::Error;
use crate::paced::Paced;
use crate::request::{Admin, OPERATORS, blocking, check_encoding};

/// Most bytes of `pluginData`: a definition of a thousand functions has some 100 KiB.
const DATA_MAX_BYTES: u64 = 1024 * 1024;
/// Most parts; those that are not wanted are read over.
const PARTS_MAX: usize = 16;
/// Bytes that are gathered before they are written: each write goes to a thread that may block.
const WRITE_BYTES: usize = 256 * 1024;

/// What an upload holds while it comes, in bytes: its definition, and twice what is gathered.
const HELD_BYTES: usize = DATA_MAX_BYTES as usize + 2 * WRITE_BYTES;

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The parts of an upload.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body that is read part by part")]
pub(crate) struct UploadForm {
    /// The WebAssembly module, in its binary format; its file name ends with `.wasm`.
    #[schema(rename = "wasmFile", value_type = String, format = Binary)]
    wasm_file: Vec<u8>,
    /// The definition, in JSON.
    #[schema(rename = "pluginData")]
    plugin_data: PluginDefinition,
}

/// The parts that have come so far.
#[derive(Default)]
struct Parts {
    module: Option<(String, Incoming)>,
    data: Option<Vec<u8>>,
    /// Bytes of all parts.
    received_bytes: u64,
    /// What is larger than it may be.
    too_large: Option<Error>,
}

impl Admin {
    /// Reads a whole upload. What is refused leaves nothing on the disk.
    pub(crate) async fn receive(
        &self,
        request: Request,
        folder: Option<String>,
    ) -> Result<Upload, Error> {
        let _charge = self.catalog.budget().charge_patiently(HELD_BYTES).await?;
        let paced = Paced::new(self.read_timeout);
        let request = request.map(|body| paced.body(body));
        check_encoding(request.headers())?;
        let multipart = request.extract::<Multipart, _>().await;
        let mut multipart = multipart.map_err(|error| Error::NotMultipart {
            reason: error.body_text(),
        })?;
        let received = self.receive_parts(&mut multipart, &paced).await;
        let parts = match received {
            Err(Error::NotMultipart { .. } | Error::BrokenOff { .. }) if paced.was_too_slow() => {
                return Err(Error::TooSlow {
                    what: "the next piece of the body",
                    limit: self.read_timeout,
                });
            }
            Err(Error::NotMultipart { .. } | Error::BrokenOff { .. })
                if let Some(limit) = paced.too_long_head() =>
            {
                let what = "what stands before a part, with its headers,";
                return Err(Error::TooLarge { what, limit });
            }
            received => received?,
        };
        let bytes = parts.data.as_ref().map_or(0, Vec::len);
        apart(OPERATORS, bytes, || parts.finish(folder)).await
    }

    async fn receive_parts(
        &self,
        multipart: &mut Multipart,
        paced: &Paced,
    ) -> Result<Parts, Error> {
        let mut parts = Parts::default();
        for _ in 0..PARTS_MAX {
            paced.expect_head();
            let field = multipart.next_field().await;
            let Some(field) = field.map_err(|error| broken(&error))? else {
                return Ok(parts);
            };
            paced.expect_data();
            match field.name() {
                Some(name @ ("wasmFile" | "pluginData")) if parts.has(name) => {
                    let reason = format!("{name} is there twice");
                    return Err(Error::NotMultipart { reason });
                }
                Some("wasmFile") => self.receive_module(field, &mut parts).await?,
                Some("pluginData") => parts.receive_data(field, self.upload_max_bytes).await?,
                _ => parts.discard(field, self.upload_max_bytes).await?,
            }
        }
        paced.expect_nothing();
        while let Ok(Some(_)) = multipart.next_field().await {}
        Err(Error::TooManyParts { limit: PARTS_MAX })
    }

    async fn receive_module(&self, mut field: Field<'_>, parts: &mut Parts) -> Result<(), Error> {
        let limit = self.upload_max_bytes;
        let file_name = field.file_name().unwrap_or_default().to_owned();
        let catalog = Arc::clone(&self.catalog);
        let mut incoming = blocking(move || catalog.incoming()).await??;
        let mut gathered = Vec::new();
        loop {
            let chunk = chunk(&mut field).await?;
            let is_last = chunk.is_none();
            if let Some(chunk) = chunk {
                parts.count(chunk.len(), limit)?;
                gathered.extend_from_slice(&chunk);
            }
            if incoming.size_bytes() + gathered.len() as u64 > limit {
                parts.too_large = Some(Error::TooLarge {
                    what: "wasmFile",
                    limit,
                });
                return parts.discard(field, limit).await;
            }
            if is_last || gathered.len() >= WRITE_BYTES {
                let bytes = std::mem::take(&mut gathered);
                incoming = blocking(move || incoming.write(&bytes).map(|()| incoming)).await??;
            }
            if is_last {
                parts.module = Some((file_name, incoming));
                return Ok(());
            }
        }
    }
}

impl Parts {
    /// Whether a part of this name has come.
    fn has(&self, name: &str) -> bool {
        match name {
            "wasmFile" => self.module.is_some(),
            _ => self.data.is_some(),
        }
    }

    async fn receive_data(&mut self, mut field: Field<'_>, limit: u64) -> Result<(), Error> {
        let mut data = Vec::new();
        while let Some(chunk) = chunk(&mut field).await? {
            self.count(chunk.len(), limit)?;
            data.extend_from_slice(&chunk);
            if data.len() as u64 > DATA_MAX_BYTES {
                self.too_large = Some(Error::TooLarge {
                    what: "pluginData",
                    limit: DATA_MAX_BYTES,
                });
                return self.discard(field, limit).await;
            }
        }
        self.data = Some(data);
        Ok(())
    }

    /// Reads a part to its end and keeps nothing of it.
    async fn discard(&mut self, mut field: Field<'_>, limit: u64) -> Result<(), Error> {
        while let Some(chunk) = chunk(&mut field).await? {
            self.count(chunk.len(), limit)?;
        }
        Ok(())
    }

    /// Counts what was received. A client that sends all of a body that is too large before it looks
    /// for the answer gets one, as long as the body is not twice as large as it may be.
    fn count(&mut self, bytes: usize, limit: u64) -> Result<(), Error> {
        self.received_bytes += bytes as u64;
        if self.received_bytes <= limit.saturating_add(DATA_MAX_BYTES).saturating_mul(2) {
            return Ok(());
        }
        Err(self.too_large.take().unwrap_or(Error::TooLarge {
            what: "the body",
            limit,
        }))
    }

    fn finish(self, folder: Option<String>) -> Result<Upload, Error> {
        if let Some(error) = self.too_large {
            return Err(error);
        }
        let missing = |part, remedy| Error::MissingPart { part, remedy };
        let (file_name, module) = self
            .module
            .ok_or_else(|| missing("wasmFile", "send the .wasm file under this name"))?;
        let data = self
            .data
            .ok_or_else(|| missing("pluginData", "send the plugin's definition, in JSON"))?;
        // Editors and shells of Windows put a byte-order mark before what they write.
        let data = data.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&data);
        let definition: Value = serde_json::from_slice(data).map_err(|error| Error::Malformed {
            what: "pluginData",
            reason: error.to_string(),
        })?;
        Ok(Upload {
            definition,
            module,
            file_name,
            folder,
        })
    }
}

async fn chunk(field: &mut Field<'_>) -> Result<Option<Bytes>, Error> {
    field.chunk().await.map_err(|error| broken(&error))
}

fn broken(error: &MultipartError) -> Error {
    let reason = error.body_text();
    if error.status().is_client_error() {
        Error::NotMultipart { reason }
    } else {
        Error::BrokenOff { reason }
    }
}
