//! Builds what the settings ask for: who may use the control API, TLS, the audit file, and the router of everything
//! that the server answers.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;

use crate::Failure;
use crate::background::AuditFile;
use crate::clock::SystemClock;
use crate::config::{OnOff, ServeArgs};
use crate::control::{self, Control};
use crate::http::{self, App, HostType};
use crate::listen::server::ExtraListeners;
use crate::listen::tls::Tls;
use crate::pages::{self, Pages};
use crate::service::Service;
use crate::store::Database;
use crate::web::access::{Access, SignInPolicy};

/// Who may use the control API.
pub(super) fn access(args: &ServeArgs) -> Access {
    match args.control {
        OnOff::On => access_when_on(args),
        OnOff::Off => Access::Off,
    }
}

fn access_when_on(args: &ServeArgs) -> Access {
    match &args.control_key {
        Some(key) => Access::with_key(&key.0),
        None if args.allow_open_control || args.hosts().iter().all(IpAddr::is_loopback) => Access::Open,
        None => Access::Closed,
    }
}

/// Who may sign in as whom: whoever may use the control API, or could if it were on.
pub(super) fn sign_in_policy(args: &ServeArgs) -> SignInPolicy {
    match access_when_on(args) {
        Access::Open => SignInPolicy::Open(args.sign_in_as.clone()),
        Access::Key(key) => SignInPolicy::Key(key),
        Access::Closed | Access::Off => SignInPolicy::Closed,
    }
}

/// TLS as the settings want it; `None` when it is off.
///
/// # Errors
/// When a certificate, key or folder cannot be used.
pub(super) fn tls(args: &ServeArgs) -> Result<Option<Tls>, Failure> {
    if args.tls == OnOff::Off {
        return Ok(None);
    }
    if let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) {
        return Tls::given(certificate, key).map(Some);
    }
    let folder = args.tls_dir.clone().or_else(|| match &args.database {
        Database::SqliteFile(path) => Some(Path::new(path).with_file_name("dapi-mock-tls")),
        Database::SqliteMemory | Database::Postgres(_) => None,
    });
    let tls = Tls::own(folder, args.tls_name.clone(), Arc::new(SystemClock));
    if args.tls_dir.is_some() {
        tls.ca()?;
    }
    Ok(Some(tls))
}

/// The file that the audit log is written to, if there is one.
pub(super) fn audit_file(args: &ServeArgs) -> Option<AuditFile> {
    let path = args.audit_file.clone()?;
    Some(AuditFile { path, shape: args.audit_shape, max_bytes: args.audit_file_bytes })
}

/// Everything that the server answers: the emulated API, the control API under `/_mock`, and the pages. Without
/// `doors` no workspace gets a port of its own.
pub fn surface(service: &Service, access: Access, sign_in: SignInPolicy, doors: Option<ExtraListeners>) -> Router {
    surface_as(HostType::default(), service, access, sign_in, doors)
}

/// The same on a shared port that says it is a host of that type.
pub fn surface_as(
    host_type: HostType,
    service: &Service,
    access: Access,
    sign_in: SignInPolicy,
    doors: Option<ExtraListeners>,
) -> Router {
    let own = control::router(Control::new(service.clone(), access.clone(), doors));
    let apis = http::router(App { service: Arc::new(service.clone()), sign_in: sign_in.clone(), host_type })
        .nest("/_mock", own);
    let pages = Pages::new(service.clone(), access, sign_in, apis.clone());
    pages::router(pages).merge(apis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_from;

    #[test]
    fn whoever_could_use_the_control_api_may_sign_in() {
        let policy = |args: &[&str]| {
            let args = ["dapi-mock"].iter().chain(args).copied();
            sign_in_policy(&parse_from(args).unwrap().serve)
        };
        let at_once = ["--sign-in-as", "eva"];
        assert!(matches!(policy(&[]), SignInPolicy::Open(None)));
        assert!(matches!(policy(&at_once), SignInPolicy::Open(Some(user)) if user == "eva"));
        assert!(matches!(policy(&["--control", "off"]), SignInPolicy::Open(None)));
        for shared in [["--control", "on"], ["--control", "off"], ["--host", "0.0.0.0"]] {
            let args = [&shared[..], &at_once, &["--control-key", "k", "--allow-open-control"]].concat();
            assert!(matches!(policy(&args), SignInPolicy::Key(_)), "{args:?}");
        }
        assert!(matches!(policy(&["--host", "127.0.0.1,0.0.0.0"]), SignInPolicy::Closed));
        assert!(matches!(policy(&["--host", "0.0.0.0", "--allow-open-control"]), SignInPolicy::Open(None)));
    }
}
