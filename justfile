# The steps of .ci/run under the same names, with what each one needs before it. `just` is optional: .ci/run does the work.

_list:
    @{{just_executable()}} --list --unsorted

# Formatting
format:
    .ci/run format

# Lints of the Rust code
clippy:
    .ci/run clippy

# The code's documentation builds without a warning
docs:
    .ci/run docs

# Licences, sources and security advisories of the dependencies
dependencies:
    .ci/run dependencies

# Workflows and shell scripts
scripts:
    .ci/run scripts

# Spelling, and the words that docs/style.md rules out
words:
    .ci/run words

# The crate compiles for Windows
windows:
    .ci/run windows

# A PostgreSQL for the tests can be started
postgres:
    .ci/run postgres

# All tests, also on PostgreSQL where there is one
tests:
    .ci/run postgres tests

# Each fuzz target, for some seconds
fuzz:
    .ci/run fuzz

# The program and the wheel that are published
release:
    .ci/run release

# Kill the program under load, again and again
kills: release
    .ci/run kills

# Replicas, outages and slow clients
load: release
    .ci/run postgres load

# The official Databricks clients
clients: release
    .ci/run clients

# The Python package and its pytest plugin
python: release
    .ci/run python

# The image, Compose and Testcontainers
image: release
    .ci/run image

# Everything that a release publishes
artifacts: release
    .ci/run artifacts

# The npm package
npm: release
    .ci/run npm

# The JUnit extension
java: release
    .ci/run java

# The Go package
go: release
    .ci/run go

# The GitHub Action
action: release
    .ci/run action

# The GitLab job
gitlab: release
    .ci/run gitlab

# The dev container feature
devcontainer: release
    .ci/run devcontainer
