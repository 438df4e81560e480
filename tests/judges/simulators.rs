//! Clients by others judge the simulators: what the hub is tested with is no invention of the hub's own authors alone.

use std::process::Command;

use connector_his::sim::service::{Hash, Service, ServiceSettings};
use tokio::sync::watch;

use crate::tools;

#[tokio::test(flavor = "multi_thread")]
async fn zeep_books_at_the_simulated_his_as_its_wsdl_says() {
    let Some(python) = tools::python() else { return };
    let settings = ServiceSettings {
        listen: "127.0.0.1:0".to_owned(),
        start: Some("20260302070000".to_owned()),
        frozen: true,
        sign: Hash::Md5,
        ..ServiceSettings::default()
    };
    let key = settings.key.clone();
    let service = Service::bind(settings).await.unwrap();
    let mut program = Command::new(python);
    program.arg(tools::of_the_project("python").join("his_simulator.py"));
    program.arg(service.address().to_string()).arg(key).env("PYTHONDONTWRITEBYTECODE", "1");
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(service.run(stopped));
    let told = tokio::task::spawn_blocking(move || program.output()).await.unwrap().unwrap();
    stop.send(true).unwrap();
    let report = running.await.unwrap();
    let said = String::from_utf8_lossy(&told.stdout);
    assert!(told.status.success(), "{said}\n{}", String::from_utf8_lossy(&told.stderr));
    assert_eq!((said.lines().count(), report.invalid), (2, 0), "{said}");
}
