//! The token report as its API and its CSV export show it.

use std::collections::BTreeMap;

use axum::http::Method;
use serde_json::{Value, json};

use super::{Answer, World, account};

pub(crate) fn report_path(rest: &str) -> String {
    format!("accounts/{}/token-report{rest}", account())
}

pub(crate) fn ids(report: &Value) -> Vec<String> {
    report["tokens"].as_array().unwrap().iter().map(|row| row["token_id"].as_str().unwrap().to_owned()).collect()
}

/// The records of an export under the header's names, read by the `csv` crate.
pub(crate) fn records(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names: Vec<String> = reader.headers().unwrap().iter().map(ToOwned::to_owned).collect();
    reader
        .records()
        .map(|record| names.iter().cloned().zip(record.unwrap().iter().map(ToOwned::to_owned)).collect())
        .collect()
}

impl World {
    /// The report as the account admin gets it.
    pub(crate) async fn report_answer(&self, rest: &str) -> Answer {
        let admin = self.account_oauth().await;
        self.client(&admin).own(Method::GET, &report_path(rest), &json!({})).await
    }

    pub(crate) async fn report(&self, rest: &str) -> Value {
        let answer = self.report_answer(rest).await;
        assert_eq!(answer.status, 200, "{rest}: {answer:?}");
        answer.json()
    }

    /// The ids of the tokens that a query returns, in order, on one page.
    pub(crate) async fn reported(&self, query: &str) -> Vec<String> {
        let report = self.report(&format!("?limit=1000&{query}")).await;
        let ids = ids(&report);
        assert_eq!(report["total"], ids.len(), "{query}");
        ids
    }

    pub(crate) async fn revoke_reported(&self, tokens: &Value) -> Answer {
        let admin = self.account_oauth().await;
        self.client(&admin).own(Method::POST, &report_path("/revoke"), &json!({ "tokens": tokens })).await
    }

    pub(crate) async fn report_statistics(&self) -> (u64, u64) {
        let path = report_path("/statistics");
        let answer = self.anonymous().own(Method::GET, &path, &json!({})).await.json();
        let number = |name: &str| answer[name].as_u64().unwrap();
        (number("report_queries_total"), number("report_statements_total"))
    }
}
