//! Builds what the settings ask for: access to the control API, TLS, the audit file, and the router of everything that
//! the server answers. [`serve`](super::serve) starts them.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};

use crate::Failure;
use crate::background::AuditFile;
use crate::clock::SystemClock;
use crate::config::{self, OnOff, ServeArgs};
use crate::control::{self, Control};
use crate::domain::settings::ErrorTexts;
use crate::http::error::{ApiError, render};
use crate::http::routes::envelope_at;
use crate::http::{self, App, HostType};
use crate::listen::{ExtraListeners, Tls};
use crate::pages::{self, Pages};
use crate::service::Service;
use crate::store::Database;
use crate::web::access::{Access, SignInPolicy};
use crate::web::browser::allow_hosts;

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

/// Whoever may use the control API, or could if it were on, may sign in at the pages.
pub(super) fn sign_in_policy(args: &ServeArgs) -> SignInPolicy {
    match access_when_on(args) {
        Access::Open => SignInPolicy::Open(args.sign_in_as.clone()),
        Access::Key(key) => SignInPolicy::Key(key),
        Access::Closed | Access::Off => SignInPolicy::Closed,
    }
}

/// TLS; `None` if it is off.
///
/// # Errors
/// If a certificate, key or folder cannot be used.
pub(super) fn tls(args: &ServeArgs) -> Result<Option<Tls>, Failure> {
    if args.tls == OnOff::Off {
        return Ok(None);
    }
    if let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) {
        return Tls::from_files(certificate, key).map(Some);
    }
    let folder = args.tls_dir.clone().or_else(|| match &args.database {
        Database::SqliteFile(path) => Some(Path::new(path).with_file_name("dapi-mock-tls")),
        Database::SqliteMemory | Database::Postgres(_) => None,
    });
    let tls = Tls::with_ca(folder, args.tls_name.clone(), Arc::new(SystemClock));
    // A folder that was named has to work at once, not at the first connection.
    if args.tls_dir.is_some() {
        tls.ca()?;
    }
    Ok(Some(tls))
}

pub(super) fn audit_file(args: &ServeArgs) -> Option<AuditFile> {
    let path = args.audit_file.clone()?;
    Some(AuditFile { path, shape: args.audit_shape, max_bytes: args.audit_file_bytes })
}

/// The router of the server that `args` describe.
pub(super) fn router(args: &ServeArgs, service: &Service, extra: ExtraListeners) -> Router {
    let host_type = match args.host_type {
        config::HostType::Workspace => HostType::Workspace,
        config::HostType::Unified => HostType::Unified,
    };
    let router = surface_as(host_type, service, access(args), sign_in_policy(args), Some(extra));
    allow_hosts(router, &args.allow_host)
}

/// Everything that the server answers: the emulated API, the control API and the pages. Without `extra` no workspace or
/// account gets a port of its own.
pub fn surface(service: &Service, access: Access, sign_in: SignInPolicy, extra: Option<ExtraListeners>) -> Router {
    surface_as(HostType::default(), service, access, sign_in, extra)
}

/// [`surface`], with a shared port of this type.
pub fn surface_as(
    host_type: HostType,
    service: &Service,
    access: Access,
    sign_in: SignInPolicy,
    extra: Option<ExtraListeners>,
) -> Router {
    let control = control::router(Control::new(service.clone(), access.clone(), extra));
    let apis = http::router(App { service: Arc::new(service.clone()), sign_in: sign_in.clone(), host_type })
        .nest("/_mock", control);
    let pages = Pages::new(service.clone(), access, sign_in, apis.clone());
    pages::router(pages).merge(apis)
}

/// Answers while the database is opened, migrated and seeded.
pub fn starting(path: &str) -> Response {
    if path == "/livez" {
        return ([(CONTENT_TYPE, "application/json")], "{\"status\":\"ok\"}").into_response();
    }
    if path.starts_with("/_mock/") {
        let headers = [(CONTENT_TYPE, "application/json"), (RETRY_AFTER, "1")];
        return (StatusCode::SERVICE_UNAVAILABLE, headers, "{\"error\":\"dapi-mock is starting.\"}\n").into_response();
    }
    render(&ApiError::Unavailable, envelope_at(path), "", ErrorTexts::default())
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
        let as_eva = ["--sign-in-as", "eva"];
        assert!(matches!(policy(&[]), SignInPolicy::Open(None)));
        assert!(matches!(policy(&as_eva), SignInPolicy::Open(Some(user)) if user == "eva"));
        assert!(matches!(policy(&["--control", "off"]), SignInPolicy::Open(None)));
        for shared in [["--control", "on"], ["--control", "off"], ["--host", "0.0.0.0"]] {
            let args = [&shared[..], &as_eva, &["--control-key", "k", "--allow-open-control"]].concat();
            assert!(matches!(policy(&args), SignInPolicy::Key(_)), "{args:?}");
        }
        assert!(matches!(policy(&["--host", "127.0.0.1,0.0.0.0"]), SignInPolicy::Closed));
        assert!(matches!(policy(&["--host", "0.0.0.0", "--allow-open-control"]), SignInPolicy::Open(None)));
    }
}
