//! TLS for the server: certificates of an own CA, made for whatever name a client asks for, or the user's.

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

/// The first byte of every TLS connection: a handshake's record. No HTTP request begins so.
pub const HANDSHAKE: u8 = 0x16;

/// Longest that Apple's systems take is 398.
const VALID_DAYS: i64 = 397;
/// A certificate that ends sooner is made anew.
const RENEW_DAYS: i64 = 30;
/// How many names have their certificate kept; beyond, all are made anew.
const NAMES_KEPT: usize = 64;
/// Names that every certificate has.
const ALWAYS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Makes TLS of connections.
pub struct Tls(Source);

enum Source {
    Given(Arc<ServerConfig>),
    Own { folder: Option<PathBuf>, names: Vec<String>, clock: Arc<dyn Clock>, made: Mutex<Made> },
}

/// What the own CA has come to, made at first need: most users never do.
#[derive(Default)]
struct Made {
    ca: Option<Box<Ca>>,
    /// By the name that was asked for, with the instant from which on it is made anew.
    configs: HashMap<String, (Arc<ServerConfig>, Millis)>,
}

struct Ca {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Given(_) => f.write_str("Tls(given)"),
            Source::Own { folder, names, .. } => write!(f, "Tls({folder:?}, {names:?})"),
        }
    }
}

impl Tls {
    /// With the user's certificate, its chain after it, and its key: PEM files.
    ///
    /// # Errors
    /// A sentence when a file cannot be read, or the two do not belong together.
    pub fn given(certificate: &Path, key: &Path) -> Result<Self, Failure> {
        let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let chain = chain.map_err(|error| format!("--tls-cert {}: {error}", certificate.display()))?;
        if chain.is_empty() {
            return Err(format!("--tls-cert {}: no certificate is in it; use PEM", certificate.display()).into());
        }
        let private = PrivateKeyDer::from_pem_file(key);
        let private = private.map_err(|error| format!("--tls-key {}: {error}; use PEM", key.display()))?;
        let config = config(chain, private).map_err(|error| {
            format!("--tls-cert {} and --tls-key {}: {error}", certificate.display(), key.display())
        })?;
        Ok(Self(Source::Given(config)))
    }

    /// With an own CA that is kept in `folder`, in memory without one, and also for `names`.
    pub fn own(folder: Option<PathBuf>, names: Vec<String>, clock: Arc<dyn Clock>) -> Self {
        Self(Source::Own { folder, names, clock, made: Mutex::default() })
    }

    /// The own CA's certificate as PEM; none where the user gave one.
    ///
    /// # Errors
    /// A sentence when it cannot be read or kept.
    pub fn ca(&self) -> Result<Option<String>, Failure> {
        match &self.0 {
            Source::Given(_) => Ok(None),
            Source::Own { folder, made, .. } => {
                let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(Some(made.ca(folder.as_deref())?.pem.clone()))
            }
        }
    }

    /// The server's side of a handshake. Who asks for no name came by address.
    ///
    /// # Errors
    /// The client's, or the network's, or that the own CA cannot be read or kept.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let address = stream.local_addr()?.ip().to_canonical();
        let handshake = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let config = self.config_for(handshake.client_hello().server_name(), address).map_err(io::Error::other)?;
        handshake.into_stream(config).await
    }

    fn config_for(&self, asked: Option<&str>, address: IpAddr) -> Result<Arc<ServerConfig>, Failure> {
        let (folder, names, clock, made) = match &self.0 {
            Source::Given(config) => return Ok(config.clone()),
            Source::Own { folder, names, clock, made } => (folder, names, clock, made),
        };
        let (asked, now) = (asked.map_or_else(|| address.to_string(), str::to_ascii_lowercase), clock.now());
        let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((config, _)) = made.configs.get(&asked).filter(|(_, renew)| now < *renew) {
            return Ok(config.clone());
        }
        let mut all: Vec<String> = ALWAYS.map(str::to_owned).into_iter().chain(names.iter().cloned()).collect();
        if !all.contains(&asked) {
            all.push(asked.clone());
        }
        let config = made.ca(folder.as_deref())?.certify(all, now)?;
        if made.configs.len() >= NAMES_KEPT {
            made.configs.clear();
        }
        made.configs.insert(asked, (config.clone(), days_after(now, VALID_DAYS - RENEW_DAYS)));
        Ok(config)
    }
}

impl Made {
    fn ca(&mut self, folder: Option<&Path>) -> Result<&Ca, Failure> {
        let ca = match self.ca.take() {
            Some(ca) => ca,
            None => Box::new(Ca::open(folder)?),
        };
        Ok(self.ca.insert(ca))
    }
}

impl Ca {
    /// The CA of a folder, made where there is none. All of the certificate but its signature follows from
    /// the key, so that a start that was killed between the two files is mended by the next one.
    fn open(folder: Option<&Path>) -> Result<Self, Failure> {
        let Some(folder) = folder else {
            let key = KeyPair::generate()?;
            return Ok(Self { pem: ca_params().self_signed(&key)?.pem(), issuer: Issuer::new(ca_params(), key) });
        };
        let named = |error: &dyn fmt::Display| format!("the CA in {}: {error}", folder.display());
        with_folder_mode(DirBuilder::new().recursive(true), 0o700).create(folder).map_err(|error| named(&error))?;
        let key = kept(&folder.join("ca.key"), 0o600, || Ok(KeyPair::generate()?.serialize_pem()))
            .and_then(|pem| Ok(KeyPair::from_pem(&pem)?))
            .map_err(|error| named(&error))?;
        let pem = kept(&folder.join("ca.pem"), 0o644, || Ok(ca_params().self_signed(&key)?.pem()))
            .map_err(|error| named(&error))?;
        // As a server would be told, were its certificate not its key's.
        let own = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| named(&error))?;
        config(vec![own], private(&key)).map_err(|error| named(&error))?;
        Ok(Self { pem, issuer: Issuer::new(ca_params(), key) })
    }

    /// A certificate for these names, with a key of its own: its serial number comes from that.
    fn certify(&self, names: Vec<String>, now: Millis) -> Result<Arc<ServerConfig>, Failure> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = name("dapi-mock");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Clocks of containers and hosts differ.
        let [from, to] = [-1, VALID_DAYS - 1].map(|days| DateTime::from_timestamp_millis(days_after(now, days).0));
        let (from, to) = from.zip(to).ok_or("the system's clock is out of range")?;
        params.not_before = date_time_ymd(from.year(), u8::try_from(from.month())?, u8::try_from(from.day())?);
        params.not_after = date_time_ymd(to.year(), u8::try_from(to.month())?, u8::try_from(to.day())?);
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(config(vec![certificate.der().clone()], private(&key))?)
    }
}

/// What a file holds, written first where there is none. Of several that write at once, one wins.
fn kept(path: &Path, mode: u32, make: impl FnOnce() -> Result<String, Failure>) -> Result<String, Failure> {
    if !path.try_exists()? {
        // Servers in containers share process ids, too.
        let entropy: &dyn Entropy = &SystemEntropy;
        let draft = path.with_added_extension(entropy.uuid().to_string());
        let mut file = with_mode(OpenOptions::new().write(true).create_new(true), mode).open(&draft)?;
        file.write_all(make()?.as_bytes())?;
        file.sync_all()?;
        // Unlike a rename, it leaves alone what another has put there meanwhile.
        let linked = std::fs::hard_link(&draft, path);
        std::fs::remove_file(&draft)?;
        linked.or_else(|error| if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })?;
    }
    Ok(std::fs::read_to_string(path)?)
}

fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name("dapi-mock own CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(2020, 1, 1);
    // RFC 5280's for no end (§4.1.2.5).
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
    fn a_certificate_is_kept_for_its_name_until_it_nears_its_end() {
        let clock = Arc::new(ManualClock::new(Millis(1_795_507_200_000)));
        let tls = Tls::own(None, Vec::new(), clock.clone());
        let first = of(&tls, "a.example.com");
        clock.advance((VALID_DAYS - RENEW_DAYS) * DAY_MS - 1);
        assert!(Arc::ptr_eq(&first, &of(&tls, "A.example.com")));
        clock.advance(1);
        assert!(!Arc::ptr_eq(&first, &of(&tls, "a.example.com")));
    }

    #[test]
    fn names_without_end_do_not_fill_the_memory() {
        let tls = Tls::own(None, Vec::new(), Arc::new(ManualClock::new(Millis(0))));
        for number in 0..3 * NAMES_KEPT {
            of(&tls, &format!("n{number}.example.com"));
            let Source::Own { made, .. } = &tls.0 else { panic!() };
            assert!(made.lock().unwrap().configs.len() <= NAMES_KEPT);
        }
    }

    #[test]
    fn servers_that_begin_at_once_have_one_ca() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Ca::open(Some(&folder.path().join("new/tls"))).unwrap().pem;
        let all: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(all.iter().all(|pem| *pem == all[0]), "{all:?}");
    }
}
