//! The report against a model: its filters, orders, pages, counts and export.

use std::collections::BTreeSet;

use axum::http::Method;
use dapi_mock::domain::WorkspaceId;
use dapi_mock::domain::report::{Filter, Order, Position, Range, SortBy};
use dapi_mock::domain::tokens::Visibility;
use dapi_mock::store::{ReportBatch, ReportPart, ReportQuery, ReportScan};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde_json::json;

use super::{ask, model};
use crate::support::{DAY_MS, START, World, ids, on_every_store, records, report_path};

on_every_store!(
    pages_and_export_are_the_model_filtered_and_sorted,
    it_makes_no_difference_how_rows_are_found,
    buttons_are_counted_under_the_other_filters,
);

async fn pages_and_export_are_the_model_filtered_and_sorted(world: World) {
    let mut random = ChaCha20Rng::seed_from_u64(31);
    let model = model(&world, &mut random).await;
    let admin = world.account_oauth().await;
    let mut sizes = BTreeSet::new();
    for _ in 0..120 {
        let (query, expected) = ask(&model, &mut random);
        sizes.insert(expected.len());
        let limit = [1, 2, 7, 50, 1000][random.random_range(usize::from(expected.len() > 20)..5)];
        let counted = random.random_range(0..2) == 0;
        let ask = async |path: &str| {
            let answer = world.client(&admin).own(Method::GET, &report_path(path), &json!({})).await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            answer.json()
        };
        let (mut found, mut page_token) = (Vec::new(), String::new());
        let mut last = loop {
            let path = format!("?{query}&limit={limit}&count={counted}{page_token}");
            let page = ask(&path).await;
            assert_eq!(page.get("total").cloned(), counted.then(|| json!(expected.len())), "{path}");
            found.extend(ids(&page));
            let Some(next) = page.get("next_page_token") else { break page };
            assert_eq!(ids(&page).len(), limit, "{path}: a full page, as there are more");
            page_token = format!("&page_token={}", next.as_str().unwrap());
        };
        assert_eq!(found, expected, "{query} by {limit}");
        // Then back again, page by page.
        let mut rest = expected.len() - ids(&last).len();
        while let Some(text) = last.get("prev_page_token").cloned() {
            last = ask(&format!("?{query}&limit={limit}&count={counted}&page_token={}", text.as_str().unwrap())).await;
            assert_eq!(ids(&last), expected[rest - limit..rest], "{query} by {limit}");
            assert!(last.get("next_page_token").is_some());
            rest -= limit;
        }
        assert_eq!(rest, 0, "{query} by {limit}");
        let export = world.client(&admin).own(Method::GET, &report_path(&format!(".csv?{query}")), &json!({})).await;
        assert_eq!(export.status, 200, "{query}: {export:?}");
        let exported: Vec<String> = records(&export.text).into_iter().map(|row| row["token_id"].clone()).collect();
        assert_eq!(exported, expected, "{query}");
    }
    assert!(sizes.len() > 20 && sizes.contains(&0), "too few kinds of answers: {sizes:?}");
}

/// The store finds the same rows by the index of an order or by the filter, from any position on.
async fn it_makes_no_difference_how_rows_are_found(world: World) {
    let mut random = ChaCha20Rng::seed_from_u64(33);
    model(&world, &mut random).await;
    let mut reader = world.service.store().read().await.unwrap();
    let workspace = reader.find_workspace(WorkspaceId(77)).await.unwrap().unwrap();
    let visibility = Visibility::with_expired(&workspace.behaviour, workspace.clock.at(world.now()));
    let mut pages = 0;
    for by in [SortBy::Created, SortBy::Expires, SortBy::LastUsed, SortBy::Owner, SortBy::Workspace] {
        for descending in [false, true] {
            let order = Order { by, descending, gone_first: false };
            let parts = if by == SortBy::Owner {
                &[ReportPart::KnownOwners, ReportPart::DeletedOwners][..]
            } else {
                &[ReportPart::All]
            };
            for part in parts.iter().chain(parts).chain(parts) {
                let mut range = || {
                    let mut bound = || random.random_range(0..2) == 0;
                    let (from, until) =
                        (bound().then(|| START.plus(-60 * DAY_MS)), bound().then(|| START.plus(20 * DAY_MS)));
                    Range { from, until }
                };
                let filter = Filter { created: range(), expires: range(), last_used: range(), ..Filter::default() };
                let query =
                    ReportQuery { workspace: &workspace, visibility, filter: &filter, owners: None, tokens: None };
                let mut after: Option<Position> = None;
                loop {
                    let place = after.as_ref().map(|place| (&place.key, place.token.as_str()));
                    let mut find = async |scan| {
                        let batch = ReportBatch { part: *part, order, after: place, scan, limit: 5 };
                        reader.list_report_rows(query, batch).await.unwrap()
                    };
                    let rows = find(ReportScan::ByOrder).await;
                    assert_eq!(rows, find(ReportScan::ByFilter).await, "{order:?} {part:?} {filter:?} {after:?}");
                    let Some(last) = rows.last() else { break };
                    after = Some(order.position(last));
                    pages += 1;
                }
            }
        }
    }
    assert!(pages > 60, "{pages}");
}

async fn buttons_are_counted_under_the_other_filters(world: World) {
    let mut random = ChaCha20Rng::seed_from_u64(34);
    let model = model(&world, &mut random).await;
    let mut seen = BTreeSet::new();
    for _ in 0..40 {
        let (query, expected) = ask(&model, &mut random);
        let counts = world.report(&format!("?limit=1&counts=true&{query}")).await;
        assert_eq!(counts["total"], expected.len(), "{query}");
        for button in ["inactive_principals", "no_expiry"] {
            let pressed = format!("{button}=true");
            let more = if query.contains(&pressed) { String::new() } else { format!("&{pressed}") };
            let found = world.reported(&format!("{query}{more}")).await.len();
            assert_eq!(counts["counts"][button], found, "{query}");
            seen.insert((button, found.min(2)));
        }
    }
    assert_eq!(seen.len(), 6, "each button counted none, one and several: {seen:?}");
    assert_eq!(world.report("?counts=true&count=false").await["total"], world.reported("").await.len());
    assert_eq!(world.report("").await.get("counts"), None);
}
