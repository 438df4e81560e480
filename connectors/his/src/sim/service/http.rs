//! The service on the wire: SOAP in, SOAP out, the WSDL, the reconciliation file; and what goes wrong by order.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sim_kit::cut::Cut;
use tokio::time::sleep;

use super::Reception;
use super::calls::Record;
use super::clock::{read_day, stamped};
use super::codes::{meaning, refuse, wrong};
use super::envelope::{Reply, Request, response};
use super::mischief::Mischief;
use super::soap::{self, Call, Version};

/// Where the service is.
pub(super) const PATH: &str = "/HisService/Invoke.asmx";
const LONGEST_REQUEST: usize = 4 * 1024 * 1024;
/// Longer than anybody waits.
const NEVER: Duration = Duration::from_secs(3600);

/// The routes of the service.
pub(super) fn routes(reception: Arc<Reception>) -> Router {
    Router::new()
        .route(PATH, get(wsdl).post(invoke))
        .route("/HisService/files/{name}", get(file))
        .layer(DefaultBodyLimit::max(LONGEST_REQUEST))
        .with_state(reception)
}

async fn wsdl(
    State(reception): State<Arc<Reception>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if !query.unwrap_or_default().eq_ignore_ascii_case("wsdl") {
        return StatusCode::NOT_FOUND.into_response();
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let text = soap::wsdl(&reception.settings.namespace, &format!("http://{host}{PATH}"));
    ([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], text).into_response()
}

async fn invoke(
    State(reception): State<Arc<Reception>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    reception.board.count(|report| report.received += 1);
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
    let Some(version) = Version::of_content_type(&content_type) else {
        reception.board.reject("Content-Type: expected text/xml or application/soap+xml");
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    };
    let call = match reception.read(&headers, &content_type, &body, version) {
        Ok(call) => call,
        Err(problem) => {
            reception.board.reject(&problem);
            let fault = soap::fault(version, &problem);
            return reception.send(StatusCode::INTERNAL_SERVER_ERROR, version, fault);
        }
    };
    let (fault, late) = {
        let mut orders = reception.orders();
        (orders.take_fault(&call.trans_code), orders.latency(&call.trans_code))
    };
    if fault.is_some() {
        reception.board.count(|report| report.faults += 1);
    }
    let slow = Duration::from_secs_f64(reception.settings.slow_secs);
    match fault {
        Some(Mischief::NotDoneTimeout) => {
            reception.record(&call, fault, None);
            sleep(NEVER).await;
            return StatusCode::GATEWAY_TIMEOUT.into_response();
        }
        Some(Mischief::DoneLate) => {
            // On its own: the caller's going must not stop it.
            let reception = Arc::clone(&reception);
            tokio::spawn(async move {
                sleep(slow).await;
                reception.exchange(&call, fault)
            });
            sleep(NEVER).await;
            return StatusCode::GATEWAY_TIMEOUT.into_response();
        }
        _ => {}
    }
    let answer = reception.exchange(&call, fault);
    sleep(late).await;
    match fault {
        Some(Mischief::Slow) => sleep(slow).await,
        Some(Mischief::Silent) => sleep(NEVER).await,
        Some(Mischief::DropAfterReceive) => cut.after(0),
        Some(Mischief::Garbage) => return "\u{1}this is no answer".into_response(),
        _ => {}
    }
    let text = soap::answer(version, &reception.settings.namespace, &answer);
    if fault == Some(Mischief::WrongCharset) {
        let content_type = reception.content_type(version);
        let bytes = reception.settings.charset.other().encode(&text);
        return ([(header::CONTENT_TYPE, content_type)], bytes).into_response();
    }
    reception.send(StatusCode::OK, version, text)
}

/// `IMPF_HIS_20260302_01.txt` of a day, and its `.ok` with digest, rows and net amount.
async fn file(State(reception): State<Arc<Reception>>, Path(name): Path<String>) -> Response {
    let middle = name.strip_prefix("IMPF_HIS_").and_then(|rest| rest.split_once("_01."));
    let Some((day, ending)) = middle.filter(|(day, _)| day.len() == 8 && day.is_ascii()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Some(date) = read_day(&format!("{}-{}-{}", &day[..4], &day[4..6], &day[6..])) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let settings = &reception.settings;
    let (text, rows, net) = reception.hospital().file(date, &settings.org_code);
    let bytes = settings.charset.encode(&text);
    match ending {
        "txt" => bytes.into_response(),
        "ok" => format!("{}|{rows}|{net}", settings.sign.of(&bytes)).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

impl Reception {
    /// Reads a call; an error names the rule it breaks.
    fn read(
        &self,
        headers: &HeaderMap,
        content_type: &str,
        body: &[u8],
        version: Version,
    ) -> Result<Call, String> {
        let charset = self.settings.charset;
        let declared = content_type.split("charset=").nth(1).map(|rest| rest.trim_matches(['"', ' ']));
        let declared = declared.map(|rest| rest.split([';', '"']).next().unwrap_or_default());
        if declared.is_some_and(|declared| declared != charset.name()) {
            return Err(format!("Content-Type: expected the character set {}", charset.name()));
        }
        let text = charset.decode(body).ok_or_else(|| format!("the body is not {}", charset.name()))?;
        let action = format!("{}Invoke", self.settings.namespace);
        let asked = headers.get("soapaction").and_then(|value| value.to_str().ok()).unwrap_or_default();
        // Empty, quoted or not: all of them are met.
        if !["", &action].contains(&asked.trim_matches('"')) {
            return Err(format!("SOAPAction: expected `{action}` or nothing"));
        }
        soap::read_call(&text, version, &self.settings.namespace)
    }

    /// Answers a call with the text of a `Response`.
    fn exchange(&self, call: &Call, fault: Option<Mischief>) -> String {
        let request = Request::read(&call.request_xml);
        let (reply, problem) = match &request {
            Ok(request) => self.judge(call, request),
            Err(problem) => (Reply::from(Err(wrong(problem))), Some(problem.clone())),
        };
        if let Some(problem) = problem {
            self.board.reject(&format!("{}: {problem}", call.trans_code));
        }
        self.record(call, fault, Some(&reply.code));
        let mut seal = self.seal.clone();
        if fault == Some(Mischief::WrongSignature) {
            seal.key.push('x');
        }
        response(&reply, request.as_ref().ok(), &seal)
    }

    /// Remembers that a call came, and what it is answered where it is done.
    fn record(&self, call: &Call, fault: Option<Mischief>, code: Option<&str>) {
        let request = Request::read(&call.request_xml);
        self.calls.add(Record {
            at: stamped(self.hospital().now()),
            function: call.trans_code.clone(),
            trans_seq: request.map(|request| request.trans_seq).unwrap_or_default(),
            code: code.map(str::to_owned),
            fault,
        });
    }

    /// The answer to a request that could be read, and what the Board is told of it.
    fn judge(&self, call: &Call, request: &Request) -> (Reply, Option<String>) {
        let refused = |problem: &str| (Reply::from(Err(wrong(problem))), Some(problem.to_owned()));
        if request.trans_code != call.trans_code {
            return refused("`TransCode` is not that of the call");
        }
        if request.app_id != self.settings.app_id || request.org_code != self.settings.org_code {
            return refused("`AppId` or `OrgCode` is not known");
        }
        let sign = self.seal.sign(&request.trans_code, &request.trans_seq, &request.req_time, &request.inner);
        if sign != request.sign {
            return (Reply::from(Err(refuse("1002"))), Some("the signature is wrong".to_owned()));
        }
        let forced = self.orders().take_forced(&request.trans_code);
        if let Some(forced) = &forced
            && !forced.done
        {
            return (forced_reply(&forced.code, forced.message.as_deref()), None);
        }
        let (reply, problem) = self.change(|hospital| hospital.answer(request));
        if problem.is_none() {
            self.board.accept(&request.trans_seq);
        }
        match forced {
            Some(forced) => (forced_reply(&forced.code, forced.message.as_deref()), problem),
            None => (reply, problem),
        }
    }

    fn content_type(&self, version: Version) -> String {
        format!("{}; charset={}", version.content_type(), self.settings.charset.name())
    }

    fn send(&self, status: StatusCode, version: Version, text: String) -> Response {
        let content_type = self.content_type(version);
        (status, [(header::CONTENT_TYPE, content_type)], self.settings.charset.encode(&text)).into_response()
    }
}

fn forced_reply(code: &str, message: Option<&str>) -> Reply {
    let message = message.or_else(|| meaning(code)).unwrap_or_default().to_owned();
    Reply { code: code.to_owned(), message, body: Vec::new() }
}
