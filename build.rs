//! Tells the tests whether there is a PostgreSQL to run on, so that those that need one are
//! reported as ignored where there is none, instead of passing without having run.

fn main() {
    println!("cargo:rerun-if-env-changed=TEST_POSTGRES_URL");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rustc-check-cfg=cfg(postgres_tests)");
    #[expect(clippy::disallowed_methods, reason = "a build script, not the server")]
    if std::env::var_os("TEST_POSTGRES_URL").is_some() {
        println!("cargo:rustc-cfg=postgres_tests");
    }
}
