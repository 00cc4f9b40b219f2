// SPDX-License-Identifier: Apache-2.0
//! The TLS listener: for clients that hard-code https or Salesforce's host names (`salesforce-api.md` 1.1).
//!
//! 1. A certificate authority is made once and kept: its certificate in the file that clients are told to trust, its key
//!    beside it in `FILE.key`, readable by the owner alone. Whoever has both can pose as Salesforce to whoever trusts
//!    the file: trust it in one client's settings, not in a whole machine.
//! 2. Each start makes a server certificate for localhost, 127.0.0.1, `login` and `test`, and the wildcards of My Domain.
//! 3. Connections shake hands beside each other, so that a client that hangs holds up nobody; HTTP/2 and HTTP/1.1 are
//!    agreed by ALPN.
//!
//! Certificates go by the machine's clock and not by the emulated one, because clients do. Client certificates (mTLS) are
//! not asked for.

use std::future::Future;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::Datelike as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::server::TlsStream;

use crate::{Clock, Emulator};

const NAMES: [&str; 12] = [
    "localhost",
    "login.salesforce.com",
    "test.salesforce.com",
    "api.pubsub.salesforce.com",
    "*.salesforce.com",
    "*.my.salesforce.com",
    "*.sandbox.my.salesforce.com",
    "*.develop.my.salesforce.com",
    "*.scratch.my.salesforce.com",
    "*.trailblaze.my.salesforce.com",
    "*.force.com",
    "*.lightning.force.com",
];
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that have shaken hands and wait to be served.
const WAITING_CONNECTIONS: usize = 64;
/// Longest life that clients accept of a certificate, with a day to spare.
const SERVER_CERTIFICATE_DAYS: i64 = 397;
const DAY_MS: i64 = 86_400_000;

/// Marks a request that came over TLS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Secure;

/// A server certificate and the authority that clients must trust.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    authority_pem: String,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read or write {path}")]
    File { path: PathBuf, source: io::Error },
    #[error("cannot make a certificate")]
    Certificate(#[source] rcgen::Error),
    #[error("cannot use the certificate")]
    Config(#[source] tokio_rustls::rustls::Error),
}

impl Tls {
    /// Takes the authority from `file` and its key from `file` with `.key` added, and makes both when one is absent.
    ///
    /// # Errors
    /// [`TlsError`]
    pub fn open(file: &Path) -> Result<Tls, TlsError> {
        let key_file = PathBuf::from(format!("{}.key", file.display()));
        let known = std::fs::read_to_string(file).ok().zip(std::fs::read_to_string(&key_file).ok());
        let known = known.and_then(|(pem, key)| Some((pem, KeyPair::from_pem(&key).ok()?)));
        let (authority_pem, key) = match known {
            Some(known) => known,
            None => {
                let (pem, key) = authority()?;
                write(&key_file, key.serialize_pem().as_bytes(), true)?;
                write(file, pem.as_bytes(), false)?;
                (pem, key)
            }
        };
        Tls::under(authority_pem, key)
    }

    /// An authority that lives as long as the process.
    ///
    /// # Errors
    /// [`TlsError`]
    pub fn in_memory() -> Result<Tls, TlsError> {
        let (pem, key) = authority()?;
        Tls::under(pem, key)
    }

    fn under(authority_pem: String, authority_key: KeyPair) -> Result<Tls, TlsError> {
        let authority = authority_params();
        let issuer = Issuer::from_params(&authority, &authority_key);
        let key = KeyPair::generate().map_err(TlsError::Certificate)?;
        let certificate = server_params()?.signed_by(&key, &issuer).map_err(TlsError::Certificate)?;
        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Config)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(TlsError::Config)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Tls { config: Arc::new(config), authority_pem })
    }

    /// The certificate of the authority, as PEM: what clients must trust.
    pub fn authority_pem(&self) -> &str {
        &self.authority_pem
    }
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.distinguished_name.push(DnType::CommonName, "Orgkeep emulator, for tests only");
    params.distinguished_name.push(DnType::OrganizationName, "Orgkeep");
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2050, 1, 1);
    params
}

fn authority() -> Result<(String, KeyPair), TlsError> {
    let key = KeyPair::generate().map_err(TlsError::Certificate)?;
    let certificate = authority_params().self_signed(&key).map_err(TlsError::Certificate)?;
    Ok((certificate.pem(), key))
}

fn server_params() -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::new(NAMES.map(str::to_owned).to_vec()).map_err(TlsError::Certificate)?;
    for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        params.subject_alt_names.push(SanType::IpAddress(address));
    }
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let now_ms = Clock::system().now();
    let day = |ms: i64| {
        let date = chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default().date_naive();
        let part = |number: u32| u8::try_from(number).expect("months and days are below 32");
        rcgen::date_time_ymd(date.year(), part(date.month()), part(date.day()))
    };
    params.not_before = day(now_ms - DAY_MS);
    params.not_after = day(now_ms + SERVER_CERTIFICATE_DAYS * DAY_MS - DAY_MS);
    Ok(params)
}

fn write(path: &Path, bytes: &[u8], secret: bool) -> Result<(), TlsError> {
    let failed = |source| TlsError::File { path: path.to_owned(), source };
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    if secret {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = secret;
    options.open(path).and_then(|mut file| file.write_all(bytes)).map_err(failed)
}

/// Connections of a port after their handshake.
struct Handshaken {
    connections: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl Handshaken {
    fn over(listener: TcpListener, tls: &Tls) -> io::Result<Handshaken> {
        let address = listener.local_addr()?;
        let (sender, connections) = mpsc::channel(WAITING_CONNECTIONS);
        let acceptor = TlsAcceptor::from(tls.config.clone());
        tokio::spawn(async move {
            loop {
                let (stream, peer) = tokio::select! {
                    accepted = listener.accept() => match accepted {
                        Ok(accepted) => accepted,
                        // Too many open files, or a client that went: the next one may have more luck.
                        Err(_) => {
                            tokio::time::sleep(Duration::from_millis(50)).await;
                            continue;
                        }
                    },
                    () = sender.closed() => return,
                };
                let _ = stream.set_nodelay(true);
                let (acceptor, sender) = (acceptor.clone(), sender.clone());
                tokio::spawn(async move {
                    let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await;
                    if let Ok(Ok(stream)) = shaken {
                        let _ = sender.send((stream, peer)).await;
                    }
                });
            }
        });
        Ok(Handshaken { connections, address })
    }
}

impl axum::serve::Listener for Handshaken {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.connections.recv().await {
            Some(connection) => connection,
            // The accepting task ends only with this receiver.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

impl Emulator {
    /// Serves a socket over TLS until `until` is done, then lets requests in flight finish. Addresses in answers are https.
    ///
    /// # Errors
    /// What accepting connections ends with.
    pub async fn serve_tls(
        &self,
        listener: TcpListener,
        tls: &Tls,
        until: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        self.serve_over(Handshaken::over(listener, tls)?, true, until).await
    }
}
