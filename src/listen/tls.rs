//! TLS for the server: certificates of its own CA, issued for whatever name a client asks for, or the user's certificate.
//! The CA lives in a folder or in memory, and is created at the first connection by TLS. Start with [`Tls`].

use std::collections::HashMap;
use std::fmt;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Datelike};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::{Acceptor, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::Failure;
use crate::clock::Clock;
use crate::domain::Millis;
use crate::domain::ids::DAY_MS;
use crate::entropy::{Entropy, SystemEntropy};
use crate::platform::{with_folder_mode, with_mode};

/// The first byte of every TLS connection, the type of a handshake's record. No HTTP request begins with it.
pub(super) const HANDSHAKE: u8 = 0x16;

/// Apple's systems accept at most 398.
const VALID_DAYS: i64 = 397;
/// A certificate that expires sooner is recreated.
const RENEW_DAYS: i64 = 30;
/// How many certificates are cached; beyond that, the cache is emptied.
const MAX_CACHED: usize = 64;
/// Names in every certificate.
const ALWAYS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

pub struct Tls(Source);

enum Source {
    Files(Arc<ServerConfig>),
    Ca { folder: Option<PathBuf>, names: Vec<String>, clock: Arc<dyn Clock>, issued: Mutex<Issued> },
}

/// Created when first needed, which it never is for most users.
#[derive(Default)]
struct Issued {
    ca: Option<Box<Ca>>,
    /// By the name that was asked for, with the time to recreate it.
    configs: HashMap<String, (Arc<ServerConfig>, Millis)>,
}

struct Ca {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Files(_) => f.write_str("Tls(files)"),
            Source::Ca { folder, names, .. } => write!(f, "Tls({folder:?}, {names:?})"),
        }
    }
}

impl Tls {
    /// TLS with the user's certificate, followed by its chain, and its key, in PEM files.
    ///
    /// # Errors
    /// If a file cannot be read, or the key does not belong to the certificate.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, Failure> {
        let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let chain = chain.map_err(|error| format!("--tls-cert {}: {error}", certificate.display()))?;
        if chain.is_empty() {
            return Err(format!("--tls-cert {}: the file has no certificate; use PEM", certificate.display()).into());
        }
        let private = PrivateKeyDer::from_pem_file(key);
        let private = private.map_err(|error| format!("--tls-key {}: {error}; use PEM", key.display()))?;
        let config = config(chain, private).map_err(|error| {
            format!("--tls-cert {} and --tls-key {}: {error}", certificate.display(), key.display())
        })?;
        Ok(Self(Source::Files(config)))
    }

    /// TLS with a CA in `folder`, or in memory without one; its certificates also have these `names`.
    pub fn with_ca(folder: Option<PathBuf>, names: Vec<String>, clock: Arc<dyn Clock>) -> Self {
        Self(Source::Ca { folder, names, clock, issued: Mutex::default() })
    }

    /// The CA's certificate as PEM; `None` if the user gave a certificate.
    ///
    /// # Errors
    /// If the CA cannot be read or written.
    pub fn ca(&self) -> Result<Option<String>, Failure> {
        match &self.0 {
            Source::Files(_) => Ok(None),
            Source::Ca { folder, issued, .. } => {
                let mut issued = issued.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(Some(issued.ca(folder.as_deref())?.pem.clone()))
            }
        }
    }

    /// Completes a handshake. A client that asks for no name gets a certificate for the address that it reached.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let address = stream.local_addr()?.ip().to_canonical();
        let handshake = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let config = self.config_for(handshake.client_hello().server_name(), address).map_err(io::Error::other)?;
        handshake.into_stream(config).await
    }

    fn config_for(&self, server_name: Option<&str>, address: IpAddr) -> Result<Arc<ServerConfig>, Failure> {
        let (folder, names, clock, issued) = match &self.0 {
            Source::Files(config) => return Ok(config.clone()),
            Source::Ca { folder, names, clock, issued } => (folder, names, clock, issued),
        };
        let name = server_name.map_or_else(|| address.to_string(), str::to_ascii_lowercase);
        let now = clock.now();
        let mut issued = issued.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((config, _)) = issued.configs.get(&name).filter(|(_, renew)| now < *renew) {
            return Ok(config.clone());
        }
        let mut all: Vec<String> = ALWAYS.map(str::to_owned).into_iter().chain(names.iter().cloned()).collect();
        if !all.contains(&name) {
            all.push(name.clone());
        }
        let config = issued.ca(folder.as_deref())?.certify(all, now)?;
        if issued.configs.len() >= MAX_CACHED {
            issued.configs.clear();
        }
        issued.configs.insert(name, (config.clone(), days_after(now, VALID_DAYS - RENEW_DAYS)));
        Ok(config)
    }
}

impl Issued {
    fn ca(&mut self, folder: Option<&Path>) -> Result<&Ca, Failure> {
        let ca = match self.ca.take() {
            Some(ca) => ca,
            None => Box::new(Ca::open(folder)?),
        };
        Ok(self.ca.insert(ca))
    }
}

impl Ca {
    /// Opens the CA of a folder, and creates it if there is none. The key determines everything in the certificate but
    /// its signature, so a start that was killed between writing the two files is completed by the next one.
    fn open(folder: Option<&Path>) -> Result<Self, Failure> {
        let Some(folder) = folder else {
            let key = KeyPair::generate()?;
            return Ok(Self { pem: ca_params().self_signed(&key)?.pem(), issuer: Issuer::new(ca_params(), key) });
        };
        let named = |error: &dyn fmt::Display| format!("the CA in {}: {error}", folder.display());
        with_folder_mode(DirBuilder::new().recursive(true), 0o700).create(folder).map_err(|error| named(&error))?;
        let key = read_or_create(&folder.join("ca.key"), 0o600, || Ok(KeyPair::generate()?.serialize_pem()))
            .and_then(|pem| Ok(KeyPair::from_pem(&pem)?))
            .map_err(|error| named(&error))?;
        let pem = read_or_create(&folder.join("ca.pem"), 0o644, || Ok(ca_params().self_signed(&key)?.pem()))
            .map_err(|error| named(&error))?;
        // Fails if the certificate does not belong to the key.
        let own = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| named(&error))?;
        config(vec![own], private(&key)).map_err(|error| named(&error))?;
        Ok(Self { pem, issuer: Issuer::new(ca_params(), key) })
    }

    /// Issues a certificate for these names. It has a new key, because its serial number is derived from that.
    fn certify(&self, names: Vec<String>, now: Millis) -> Result<Arc<ServerConfig>, Failure> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = name("dapi-mock");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // From yesterday on, because the clocks of containers and hosts differ.
        let [from, to] = [-1, VALID_DAYS - 1].map(|days| DateTime::from_timestamp_millis(days_after(now, days).0));
        let (from, to) = from.zip(to).ok_or("the system's clock is out of range")?;
        params.not_before = date_time_ymd(from.year(), u8::try_from(from.month())?, u8::try_from(from.day())?);
        params.not_after = date_time_ymd(to.year(), u8::try_from(to.month())?, u8::try_from(to.day())?);
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(config(vec![certificate.der().clone()], private(&key))?)
    }
}

/// Reads a file, after creating it if it does not exist. If several servers create it at once, one wins.
fn read_or_create(path: &Path, mode: u32, make: impl FnOnce() -> Result<String, Failure>) -> Result<String, Failure> {
    if !path.try_exists()? {
        // Not named by the process id, which servers in containers share.
        let entropy: &dyn Entropy = &SystemEntropy;
        let draft = path.with_added_extension(entropy.uuid().to_string());
        let mut file = with_mode(OpenOptions::new().write(true).create_new(true), mode).open(&draft)?;
        file.write_all(make()?.as_bytes())?;
        file.sync_all()?;
        // Unlike a rename, a hard link does not replace a file that another server has created meanwhile.
        let linked = std::fs::hard_link(&draft, path);
        std::fs::remove_file(&draft)?;
        linked.or_else(|error| if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })?;
    }
    Ok(std::fs::read_to_string(path)?)
}

fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    // Existing folders have certificates with this name.
    params.distinguished_name = name("dapi-mock own CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(2020, 1, 1);
    // No end, by RFC 5280, section 4.1.2.5.
    params.not_after = date_time_ymd(9999, 12, 31);
    params
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

fn days_after(at: Millis, days: i64) -> Millis {
    Millis(at.0 + days * DAY_MS)
}

fn private(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}

fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, tokio_rustls::rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn of(tls: &Tls, name: &str) -> Arc<ServerConfig> {
        tls.config_for(Some(name), IpAddr::from([127, 0, 0, 1])).unwrap()
    }

    #[test]
    fn a_certificate_is_reused_for_its_name_until_it_nears_its_end() {
        let clock = Arc::new(ManualClock::new(Millis(1_795_507_200_000)));
        let tls = Tls::with_ca(None, Vec::new(), clock.clone());
        let first = of(&tls, "a.example.com");
        clock.advance((VALID_DAYS - RENEW_DAYS) * DAY_MS - 1);
        assert!(Arc::ptr_eq(&first, &of(&tls, "A.example.com")));
        clock.advance(1);
        assert!(!Arc::ptr_eq(&first, &of(&tls, "a.example.com")));
    }

    #[test]
    fn endless_names_do_not_fill_the_memory() {
        let tls = Tls::with_ca(None, Vec::new(), Arc::new(ManualClock::new(Millis(0))));
        for number in 0..3 * MAX_CACHED {
            of(&tls, &format!("n{number}.example.com"));
            let Source::Ca { issued, .. } = &tls.0 else { panic!() };
            assert!(issued.lock().unwrap().configs.len() <= MAX_CACHED);
        }
    }

    #[test]
    fn servers_that_start_at_once_share_one_ca() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Ca::open(Some(&folder.path().join("new/tls"))).unwrap().pem;
        let all: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(all.iter().all(|pem| *pem == all[0]), "{all:?}");
    }
}
