//! What is counted of requests, and that no label names a patient.

use metrics_exporter_prometheus::PrometheusBuilder;

use crate::fake::*;

#[test]
fn requests_are_counted_by_door_interaction_and_status_and_never_by_id() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let fake = Fake::new();
            get(&fake, "/fhir/Patient/1").await;
            get(&fake, "/fhir/Patient/SECRET").await;
            get(&fake, "/fhir/SECRET?SECRET=1").await;
            get(&fake, "/ops/messages?patient=SECRET").await;
            get(&fake, "/SECRET").await;
            get(&fake, "/").await;
        });
    });
    let text = recorder.handle().render();
    for line in [
        r#"huitong_http_requests_total{door="fhir",interaction="read",status="200"} 1"#,
        r#"huitong_http_requests_total{door="fhir",interaction="read",status="404"} 1"#,
        r#"huitong_http_requests_total{door="fhir",interaction="none",status="404"} 1"#,
        r#"huitong_http_requests_total{door="ops",interaction="messages",status="200"} 1"#,
        r#"huitong_http_requests_total{door="none",interaction="none",status="404"} 1"#,
        r#"huitong_http_requests_total{door="page",interaction="landing",status="200"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    assert!(text.contains("huitong_http_request_seconds"));
    assert!(!text.contains("SECRET"));
}
