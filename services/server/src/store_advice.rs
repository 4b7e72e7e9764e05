//! What to do about a store that cannot be used: by the words of the store, of its client and of the operating system, which are
//! all that there is to tell one failure from another.

use crate::settings::{StoreSettings, StoreUrl};

/// The rights that a node needs, as S3 names them.
const RIGHTS: &str = "s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket";

/// What to do about `problem`.
pub fn advice(settings: &StoreSettings, problem: &str) -> String {
    let StoreUrl::S3 { bucket, prefix } = &settings.url else {
        return "--store with another folder, or the data folder that it belongs to".to_owned();
    };
    let says = |words: &[&str]| words.iter().any(|word| problem.contains(word));
    let region = settings.region.as_deref();
    let endpoint = settings.endpoint.as_deref();
    if says(&["belongs to cluster", "says no cluster", "say no cluster"]) {
        return format!("--data-dir with the folder of that cluster, or --store s3://{bucket}/another-prefix");
    }
    if says(&["NoSuchBucket", "no such bucket"]) {
        let flags = [("--region", region), ("--endpoint-url", endpoint)];
        let flags = flags.iter().filter_map(|(flag, value)| Some(format!(" {flag} {}", (*value)?)));
        let make = format!("aws s3 mb s3://{bucket}{}", flags.collect::<String>());
        return format!("make the bucket ({make}), or name one that is there with --store");
    }
    if says(&["no AWS credentials were found"]) {
        return "export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE with the name of a profile; \
                docs/configuration.md (Credentials of S3) has all sources"
            .to_owned();
    }
    if says(&["InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidClientTokenId", "AuthFailure"]) {
        let whose = if endpoint.is_some() { "a user of that store" } else { "an AWS account" };
        return format!(
            "correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile of AWS_PROFILE: they must be a pair, of {whose}"
        );
    }
    if says(&["ExpiredToken", "TokenRefreshRequired", "InvalidToken", "RequestExpired"]) {
        return "get new credentials: `aws sso login`, or AWS_SESSION_TOKEN together with its key".to_owned();
    }
    if says(&["RequestTimeTooSkewed"]) {
        return "set this machine's clock, and let chrony or systemd-timesyncd keep it".to_owned();
    }
    if says(&["configured region", "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraint"]) {
        return format!(
            "--store-region with the region of the bucket: `aws s3api get-bucket-location --bucket {bucket}` tells it"
        );
    }
    if says(&["InvalidContentType", "tls handshake eof"]) {
        let plain = endpoint.and_then(|endpoint| endpoint.strip_prefix("https://")).unwrap_or("HOST:PORT");
        return format!("it speaks no TLS there: --store-endpoint http://{plain} --store-allow-http");
    }
    if says(&["invalid peer certificate"]) {
        return "--store-ca-file with the certificate of the authority that has signed the store's".to_owned();
    }
    if says(&["Connection refused", "dns error", "timed out", "operation timed out", "unreachable", "client error"]) {
        return match endpoint {
            Some(endpoint) => format!(
                "see that the store runs and that this machine reaches it (`curl -i {endpoint}` shows an answer), or correct \
                 --store-endpoint; of Amazon S3 leave it out"
            ),
            None => {
                "see that this machine reaches Amazon S3 (network, DNS, firewall) and that --store-region is right; \
                     for another store say --store-endpoint"
                    .to_owned()
            }
        };
    }
    let objects = if prefix.is_empty() { format!("{bucket}/*") } else { format!("{bucket}/{prefix}/*") };
    format!(
        "give these credentials {RIGHTS} on arn:aws:s3:::{bucket} and arn:aws:s3:::{objects}, or see that --store, \
         --store-endpoint and --store-region are right"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(endpoint: Option<&str>) -> StoreSettings {
        StoreSettings {
            url: StoreUrl::S3 { bucket: "b".to_owned(), prefix: "p".to_owned() },
            endpoint: endpoint.map(str::to_owned),
            region: Some("eu-central-1".to_owned()),
            path_style: true,
            ca_file: None,
            allow_http: true,
        }
    }

    #[test]
    fn each_failure_has_its_own_advice() {
        let check = |endpoint: Option<&str>, problem: &str, says: &str| {
            let advice = advice(&settings(endpoint), problem);
            assert!(advice.contains(says), "{problem}: {advice}");
        };
        let minio = Some("http://127.0.0.1:9000");
        check(minio, "tcp connect error: Connection refused (os error 111)", "`curl -i http://127.0.0.1:9000`");
        check(None, "tcp connect error: Connection refused (os error 111)", "for another store say --store-endpoint");
        check(minio, "dns error: error resolving DNS", "correct --store-endpoint");
        let make = "aws s3 mb s3://b --region eu-central-1 --endpoint-url http://127.0.0.1:9000";
        check(minio, "404 Not Found: NoSuchBucket (it is not there)", make);
        check(None, "there is no such bucket: x", "aws s3 mb s3://b --region eu-central-1)");
        check(None, "403 Forbidden: InvalidAccessKeyId (no)", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
        check(minio, "403 Forbidden: SignatureDoesNotMatch (no)", "of a user of that store");
        check(None, "no AWS credentials were found; and so on", "export AWS_ACCESS_KEY_ID");
        check(None, "400 Bad Request: ExpiredToken (no)", "aws sso login");
        check(None, "403 Forbidden: RequestTimeTooSkewed (no)", "clock");
        check(None, "this normally indicates an incorrectly configured region", "--store-region");
        let over_tls = Some("https://127.0.0.1:9000");
        check(
            over_tls,
            "received corrupt message of type InvalidContentType",
            "http://127.0.0.1:9000 --store-allow-http",
        );
        check(over_tls, "invalid peer certificate: UnknownIssuer", "--store-ca-file");
        check(None, "403 Forbidden: AccessDenied (no)", "s3:DeleteObject");
        check(None, "403 Forbidden: AccessDenied (no)", "arn:aws:s3:::b/p/*");
        check(None, "the store at s3://b/p belongs to cluster 7", "--data-dir");
        let folder = StoreSettings { url: StoreUrl::InDataDir, ..settings(None) };
        assert!(advice(&folder, "belongs to cluster 7").contains("data folder"));
    }
}
