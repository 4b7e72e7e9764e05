//! The bucket, STS, single sign-on, a container's and a machine's endpoint, in one small server.

use std::sync::{Arc, Mutex};

use crate::server::{Request, serve};

pub struct Aws {
    address: String,
    signers: Arc<Mutex<Vec<String>>>,
}

impl Aws {
    pub async fn start() -> Aws {
        let signers = Arc::new(Mutex::new(Vec::<String>::new()));
        let seen = signers.clone();
        let address = serve(move |request| {
            let mut seen = seen.lock().unwrap();
            let (signer, answer) = answer(request, &seen);
            seen.extend(signer);
            answer
        });
        Aws { address: address.await, signers }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// Who signed, for which region and to what end, in order.
    pub fn signers(&self) -> Vec<String> {
        self.signers.lock().unwrap().clone()
    }
}

/// Who is noted down, and what is answered.
fn answer(request: &Request, seen: &[String]) -> (Option<String>, (u16, String)) {
    let signer = signer(request);
    let times = |what: &str| 1 + seen.iter().filter(|one| one.contains(what)).count();
    let line = request.line();
    if line.starts_with("PUT /bucket/") {
        return (Some(signer), (200, String::new()));
    }
    if line == "POST /" {
        let action = request.body.split('&').find_map(|pair| pair.strip_prefix("Action=")).unwrap();
        let token = request.body.split('&').find_map(|pair| pair.strip_prefix("WebIdentityToken="));
        let answer = format!(
            "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
             <AccessKeyId>KEYROLE{}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
             <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></{action}Result></{action}Response>",
            times(action)
        );
        return (Some(format!("{} {action}", token.unwrap_or(&signer))), (200, answer));
    }
    let keys = |name: &str, expires: &str| {
        format!(
            "{{\"Code\":\"Success\",\"AccessKeyId\":\"{name}\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\
             \"Expiration\":\"{expires}\"}}"
        )
    };
    match line {
        "GET /bucket/forbidden" => (None, (403, String::new())),
        "GET /container" => {
            // The clock of `surroundings.rs` starts at the beginning of 2030; these live for an hour and for longer.
            let times = times("container");
            let name = format!("KEYCONTAINER{times}");
            (Some(format!("{signer} container")), (200, keys(&name, &format!("20{}-01-01T01:00:00Z", 29 + times))))
        }
        "PUT /latest/api/token" => (None, (200, "token".to_owned())),
        "GET /latest/meta-data/iam/security-credentials/" => (None, (200, "role".to_owned())),
        "GET /latest/meta-data/iam/security-credentials/role" => {
            (None, (200, keys("KEYMACHINE", "2099-01-01T00:00:00Z")))
        }
        _ if line.starts_with("GET /federation/credentials?") => {
            let note = format!("{} sso", request.header("x-amz-sso_bearer_token").unwrap());
            let keys = "\"accessKeyId\":\"KEYSSO\",\"secretAccessKey\":\"s\",\"sessionToken\":\"t\"";
            let answer = format!("{{\"roleCredentials\":{{{keys},\"expiration\":4070908800000}}}}");
            (Some(note), (200, answer))
        }
        _ => (None, (404, String::new())),
    }
}

/// Key and region of the signature; a token as it is.
fn signer(request: &Request) -> String {
    let signature = request.header("authorization").unwrap_or("nobody");
    let Some((_, scope)) = signature.split_once("Credential=") else { return signature.to_owned() };
    let mut parts = scope.split('/');
    let (key, _date, region) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    format!("{key} {region}")
}
