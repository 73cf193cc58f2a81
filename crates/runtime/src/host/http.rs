//! The HTTP requests of a call, from blocks and into blocks.

use super::Host;
use crate::error::{Error, Result};
use crate::outbound_http::{Request, Response, ResponseHead};

impl Host {
    /// Sends an HTTP request, described by a block, with the body in another; a new block with the
    /// body of the response.
    pub(crate) async fn http_request(&mut self, request: u64, body: u64) -> Result<u64> {
        let limit = self.context.limits.http_requests;
        if self.http_requests >= limit {
            return Err(Error::HttpRequests { limit });
        }
        self.http_requests += 1;
        self.forget_response();
        let size = self.memory.length(request)? + self.memory.length(body)?;
        self.pay(size as usize).await?;
        let request = Request::parse(self.memory.block(request)?)?;
        let held_before = self.held_bytes;
        self.hold(size as usize)?;
        let body = match body {
            0 => None,
            handle => Some(self.memory.block(handle)?.to_vec()),
        };
        let context = self.context.clone();
        let response = context
            .outbound()?
            .send(request, body, |bytes| self.hold(bytes));
        let Response { head, body } = response.await?;
        self.pay(body.len()).await?;
        let block = self.new_block(&body)?;
        self.held_bytes = held_before;
        self.hold(head.headers_json.len())?;
        self.response = Some(head);
        Ok(block)
    }

    /// A new block with the headers of the last response; 0 where there is none.
    pub(crate) async fn http_headers(&mut self) -> Result<u64> {
        let size = |head: &ResponseHead| head.headers_json.len();
        self.pay(self.response.as_ref().map_or(0, size)).await?;
        let Some(head) = self.response.take() else {
            return Ok(0);
        };
        let block = self.new_block(head.headers_json.as_bytes());
        self.response = Some(head);
        block
    }

    fn forget_response(&mut self) {
        if let Some(head) = self.response.take() {
            self.held_bytes -= head.headers_json.len();
        }
    }
}
