//! SOAP 1.1 and 1.2 by hand: one operation, `Invoke(transCode, requestXml)`, as an ASP.NET service (.asmx) speaks it.

use super::element::{Element, escape};

/// Which SOAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// `text/xml`.
    V11,
    /// `application/soap+xml`.
    V12,
}

impl Version {
    /// The one of a content type, where it is of one.
    pub(super) fn of_content_type(content_type: &str) -> Option<Self> {
        match content_type.split(';').next().unwrap_or_default().trim() {
            "text/xml" => Some(Self::V11),
            "application/soap+xml" => Some(Self::V12),
            _ => None,
        }
    }

    /// What stands in `Content-Type` before the character set.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::V11 => "text/xml",
            Self::V12 => "application/soap+xml",
        }
    }

    fn namespace(self) -> &'static str {
        match self {
            Self::V11 => "http://schemas.xmlsoap.org/soap/envelope/",
            Self::V12 => "http://www.w3.org/2003/05/soap-envelope",
        }
    }
}

/// A call of `Invoke`.
pub(super) struct Call {
    pub(super) trans_code: String,
    pub(super) request_xml: String,
}

/// Reads a call; an error says which rule of SOAP or of the WSDL it breaks.
pub(super) fn read_call(text: &str, version: Version, namespace: &str) -> Result<Call, String> {
    let envelope = Element::read(text)?;
    if envelope.name != "Envelope" || envelope.namespace != version.namespace() {
        return Err("the root is not the Envelope that the content type promises".to_owned());
    }
    let body = envelope.child("Body").filter(|body| body.namespace == version.namespace());
    let Some([operation]) = body.map(|body| body.children.as_slice()) else {
        return Err("not one operation in the Body".to_owned());
    };
    if operation.name != "Invoke" || operation.namespace != namespace {
        return Err(format!("the operation is not `Invoke` of `{namespace}`"));
    }
    let argument = |name: &str| match operation.child(name) {
        Some(argument) if argument.children.is_empty() => Ok(argument.text.clone()),
        Some(_) => Err(format!("`{name}` is a string, and holds elements")),
        None => Err(format!("`{name}` is missing")),
    };
    Ok(Call { trans_code: argument("transCode")?, request_xml: argument("requestXml")? })
}

/// The answer of `Invoke`.
pub(super) fn answer(version: Version, namespace: &str, result: &str) -> String {
    let result = escape(result);
    enveloped(
        version,
        &format!(
            "<InvokeResponse xmlns=\"{namespace}\"><InvokeResult>{result}</InvokeResult></InvokeResponse>"
        ),
    )
}

/// A fault of the sender's.
pub(super) fn fault(version: Version, reason: &str) -> String {
    let reason = escape(reason);
    let fault = match version {
        Version::V11 => {
            format!(
                "<soap:Fault><faultcode>soap:Client</faultcode><faultstring>{reason}</faultstring></soap:Fault>"
            )
        }
        Version::V12 => format!(
            "<soap:Fault><soap:Code><soap:Value>soap:Sender</soap:Value></soap:Code><soap:Reason>\
             <soap:Text xml:lang=\"en\">{reason}</soap:Text></soap:Reason></soap:Fault>"
        ),
    };
    enveloped(version, &fault)
}

/// What a push looks like in an envelope: the same operation, called at the hub.
pub(super) fn call(namespace: &str, trans_code: &str, request_xml: &str) -> String {
    let (code, request) = (escape(trans_code), escape(request_xml));
    enveloped(
        Version::V11,
        &format!(
            "<Invoke xmlns=\"{namespace}\"><transCode>{code}</transCode>\
             <requestXml>{request}</requestXml></Invoke>"
        ),
    )
}

/// The string an `Invoke` at the hub gave back.
pub(super) fn result_of(text: &str) -> Option<String> {
    let envelope = Element::read(text).ok()?;
    let response = envelope.child("Body")?.children.first()?;
    response.children.first().map(|result| result.text.clone())
}

fn enveloped(version: Version, body: &str) -> String {
    let namespace = version.namespace();
    format!("<soap:Envelope xmlns:soap=\"{namespace}\"><soap:Body>{body}</soap:Body></soap:Envelope>")
}

/// What the service offers, for clients that read it first.
pub(super) fn wsdl(namespace: &str, address: &str) -> String {
    include_str!("../../../data/invoke.wsdl").replace("{namespace}", namespace).replace("{address}", address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMESPACE: &str = "http://tempuri.org/";

    #[test]
    fn a_call_is_read_in_both_versions_escaped_or_as_cdata() {
        for version in [Version::V11, Version::V12] {
            for argument in ["&lt;R&gt;肺炎&lt;/R&gt;", "<![CDATA[<R>肺炎</R>]]>"] {
                let text = enveloped(
                    version,
                    &format!(
                        "<t:Invoke xmlns:t=\"{NAMESPACE}\"><t:transCode>H101</t:transCode>\
                         <t:requestXml>{argument}</t:requestXml></t:Invoke>"
                    ),
                );
                let call = read_call(&text, version, NAMESPACE).ok().unwrap();
                assert_eq!((call.trans_code.as_str(), call.request_xml.as_str()), ("H101", "<R>肺炎</R>"));
            }
        }
    }

    #[test]
    fn an_envelope_of_the_other_version_or_another_namespace_is_refused() {
        let text = call(NAMESPACE, "H101", "<R/>");
        assert!(read_call(&text, Version::V11, NAMESPACE).is_ok());
        assert!(read_call(&text, Version::V12, NAMESPACE).is_err());
        assert!(read_call(&text, Version::V11, "urn:other").is_err());
    }
}
