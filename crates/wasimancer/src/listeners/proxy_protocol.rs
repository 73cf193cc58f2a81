//! The PROXY protocol, with which a proxy that does not read HTTP announces the client of a connection
//! (versions 1 and 2, haproxy.org).

use std::io::{self, ErrorKind};
use std::net::IpAddr;

use ppp::v1::Addresses as TextAddresses;
use ppp::v2::{Addresses, Command};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The shortest header: `PROXY UNKNOWN` and its line end. A binary one has a byte more.
const HEADER_MIN_BYTES: usize = 15;
/// The longest header of version 1 ("worst case", section 2.1).
const TEXT_MAX_BYTES: usize = 107;
/// Bytes of a header of version 2 before its addresses, the last two of which are their length.
const BINARY_PREFIX_BYTES: usize = 16;
/// Most bytes of addresses and additions in a header of version 2: those of the large clouds have less
/// than a hundred.
const BINARY_MAX_BYTES: usize = 1024;

/// Reads the header of a connection, and nothing behind it. None: it announces no client, as where the
/// proxy itself asks.
///
/// # Errors
/// The stream's own, and `InvalidData` where there is no header.
pub(super) async fn announced(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let mut header = vec![0; HEADER_MIN_BYTES];
    stream.read_exact(&mut header).await?;
    if header.starts_with(ppp::v2::PROTOCOL_PREFIX) {
        header.push(stream.read_u8().await?);
        let length = usize::from(u16::from_be_bytes([header[14], header[15]]));
        if length > BINARY_MAX_BYTES {
            return Err(malformed());
        }
        header.resize(BINARY_PREFIX_BYTES + length, 0);
        stream
            .read_exact(&mut header[BINARY_PREFIX_BYTES..])
            .await?;
        let header = ppp::v2::Header::try_from(header.as_slice()).map_err(|_| malformed())?;
        return Ok(match (header.command, header.addresses) {
            (Command::Proxy, Addresses::IPv4(found)) => Some(found.source_address.into()),
            (Command::Proxy, Addresses::IPv6(found)) => Some(found.source_address.into()),
            _ => None,
        });
    }
    while !header.ends_with(b"\r\n") {
        if header.len() == TEXT_MAX_BYTES {
            return Err(malformed());
        }
        header.push(stream.read_u8().await?);
    }
    let header = ppp::v1::Header::try_from(header.as_slice()).map_err(|_| malformed())?;
    Ok(match header.addresses {
        TextAddresses::Tcp4(found) => Some(found.source_address.into()),
        TextAddresses::Tcp6(found) => Some(found.source_address.into()),
        TextAddresses::Unknown => None,
    })
}

fn malformed() -> io::Error {
    let reason = "a trusted proxy sent no header of the PROXY protocol";
    io::Error::new(ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(mut bytes: &[u8]) -> Result<(Option<String>, String), ErrorKind> {
        let client = announced(&mut bytes).await.map_err(|error| error.kind())?;
        let rest = String::from_utf8_lossy(bytes).into_owned();
        Ok((client.map(|ip| ip.to_string()), rest))
    }

    fn binary(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let mut header = ppp::v2::PROTOCOL_PREFIX.to_vec();
        header.extend([
            command,
            family,
            0,
            u8::try_from(addresses.len()).expect("few"),
        ]);
        header.extend(addresses);
        header.extend(b"GET /");
        header
    }

    #[tokio::test]
    async fn both_versions_announce_clients() {
        let known = |ip: &str| Ok((Some(ip.to_owned()), "GET /".to_owned()));
        let unknown = || Ok((None, "GET /".to_owned()));
        for (text, wanted) in [
            (
                "PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\nGET /",
                known("192.0.2.7"),
            ),
            (
                "PROXY TCP6 2001:db8::7 2001:db8::1 4711 80\r\nGET /",
                known("2001:db8::7"),
            ),
            ("PROXY UNKNOWN\r\nGET /", unknown()),
            (
                "PROXY TCP4 192.0.2.7 nonsense 4711 80\r\nGET /",
                Err(ErrorKind::InvalidData),
            ),
            (
                "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
                Err(ErrorKind::InvalidData),
            ),
            ("PROXY TCP4", Err(ErrorKind::UnexpectedEof)),
        ] {
            assert_eq!(read(text.as_bytes()).await, wanted, "{text}");
        }
        let long = format!("PROXY {}", "x".repeat(200));
        assert_eq!(read(long.as_bytes()).await, Err(ErrorKind::InvalidData));

        let four = [192, 0, 2, 7, 192, 0, 2, 1, 18, 103, 0, 80];
        assert_eq!(read(&binary(0x21, 0x11, &four)).await, known("192.0.2.7"));
        // What follows the addresses is skipped.
        let mut more = four.to_vec();
        more.extend([4, 0, 1, 0]);
        assert_eq!(read(&binary(0x21, 0x11, &more)).await, known("192.0.2.7"));
        // The proxy's own connection.
        assert_eq!(read(&binary(0x20, 0x11, &four)).await, unknown());
        assert_eq!(read(&binary(0x20, 0, &[])).await, unknown());
        assert_eq!(
            read(&binary(0x21, 0x11, &four[..4])).await,
            Err(ErrorKind::InvalidData)
        );
    }
}
