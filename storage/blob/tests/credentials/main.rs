//! Which credentials the S3 store signs with, in surroundings of every kind.
//!
//! Variables are the whole process's, so each case is a process: this program again, told by `surroundings.rs` to put
//! one object. A server of ours is the store, AWS and the machine at once, and sees who signed.
#![allow(clippy::unwrap_used)]

mod aws;
mod server;
mod surroundings;

use aws::Aws;
use surroundings::{Surroundings, put};

const KEY_IN_ENVIRONMENT: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "KEYENV"), ("AWS_SECRET_ACCESS_KEY", "s")];

#[tokio::test]
async fn keys_of_the_environment_come_before_everything() {
    let aws = Aws::start().await;
    let mut around = Surroundings::new(&aws);
    around.variables(&KEY_IN_ENVIRONMENT).variables(&[("AWS_SESSION_TOKEN", "token"), ("AWS_REGION", "eu-north-1")]);
    around.file("credentials", "[default]\naws_access_key_id = KEYFILE\naws_secret_access_key = s\n");
    // None of these is for us: the first would send records elsewhere, the others weaken them.
    around.variables(&[
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1"),
        ("AWS_SKIP_SIGNATURE", "true"),
        ("AWS_CONDITIONAL_PUT", "disabled"),
    ]);
    let told = put(&around).await;
    assert!(told.contains("credentials are those of AWS_ACCESS_KEY_ID"), "{told}");
    assert_eq!(aws.signers(), ["KEYENV eu-north-1"]);
}

#[tokio::test]
async fn a_profile_gives_keys_and_region_and_a_variable_chooses_it() {
    let aws = Aws::start().await;
    let mut around = Surroundings::new(&aws);
    around.file(
        "credentials",
        "[default]\naws_access_key_id = KEYDEFAULT\naws_secret_access_key = s\n\
         [staging]\naws_access_key_id = KEYSTAGING\naws_secret_access_key = s\n",
    );
    around.file("config", "[default]\nregion = eu-west-3\n[profile staging]\nregion = ap-south-1\n");
    let told = put(&around).await;
    assert!(told.contains("credentials are those of the AWS profile \"default\""), "{told}");
    let told = put(around.variables(&[("AWS_PROFILE", "staging")])).await;
    assert!(told.contains("credentials are those of the AWS profile \"staging\""), "{told}");
    put(around.variables(&[("AWS_DEFAULT_REGION", "us-west-1")])).await;
    put(around.variables(&[("AWS_REGION", "us-west-2")])).await;
    put(around.region("eu-central-1")).await;
    let by = ["KEYDEFAULT eu-west-3", "KEYSTAGING ap-south-1", "KEYSTAGING us-west-1", "KEYSTAGING us-west-2"];
    assert_eq!(aws.signers(), [by.as_slice(), &["KEYSTAGING eu-central-1"]].concat());
}

#[tokio::test]
async fn a_profile_that_is_not_there_is_refused_with_those_that_are() {
    let aws = Aws::start().await;
    let mut around = Surroundings::new(&aws);
    around.file("config", "[profile staging]\nregion = ap-south-1\n[default]\n");
    let told = put(around.variables(&[("AWS_PROFILE", "stagign")])).await;
    assert!(told.contains("refuses") && told.contains("stagign") && told.contains("default, staging"), "{told}");
    assert!(aws.signers().is_empty());
}

#[tokio::test]
async fn a_profile_may_assume_a_role() {
    let aws = Aws::start().await;
    let mut around = Surroundings::new(&aws);
    around.file("credentials", "[base]\naws_access_key_id = KEYBASE\naws_secret_access_key = s\n");
    around.file(
        "config",
        "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/writer\nsource_profile = base\nregion = eu-west-1\n",
    );
    let told = put(around.variables(&[("AWS_PROFILE", "role")])).await;
    assert!(told.contains("the AWS profile \"role\""), "{told}");
    assert_eq!(aws.signers(), ["KEYBASE eu-west-1 AssumeRole", "KEYROLE1 eu-west-1"]);
}

#[tokio::test]
async fn a_profile_may_name_a_program() {
    let aws = Aws::start().await;
    let around = Surroundings::new(&aws);
    let answer = r#"{"Version":1,"AccessKeyId":"KEYPROGRAM","SecretAccessKey":"s"}"#;
    around.file("answer.json", answer);
    let program = format!("[default]\ncredential_process = cat {}\n", around.path("answer.json").display());
    around.file("config", &program);
    put(&around).await;
    assert_eq!(aws.signers(), ["KEYPROGRAM us-east-1"]);
}

#[tokio::test]
async fn a_profile_may_sign_on_once() {
    let aws = Aws::start().await;
    let around = Surroundings::new(&aws);
    around.file(
        "config",
        "[default]\nsso_session = ours\nsso_account_id = 123456789012\nsso_role_name = writer\n\
         [sso-session ours]\nsso_region = eu-west-1\nsso_start_url = https://ours.example/start\n",
    );
    let told = put(&around).await;
    assert!(told.contains("AWS credentials: "), "nobody has signed on yet: {told}");
    // The name is the SHA-1 of the session's.
    around.file(
        ".aws/sso/cache/48537f613ab85111413f2369616ae97481429bd1.json",
        r#"{"accessToken":"signed-on","expiresAt":"2099-01-01T00:00:00Z","region":"eu-west-1"}"#,
    );
    put(&around).await;
    assert_eq!(aws.signers(), ["signed-on sso", "KEYSSO us-east-1"]);
}

#[tokio::test]
async fn a_token_of_kubernetes_is_exchanged_for_a_role() {
    let aws = Aws::start().await;
    let mut around = Surroundings::new(&aws);
    around.file("token", "from-kubernetes");
    let file = around.path("token").display().to_string();
    around.variables(&[("AWS_WEB_IDENTITY_TOKEN_FILE", &file), ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")]);
    let told = put(&around).await;
    assert!(told.contains("AWS_WEB_IDENTITY_TOKEN_FILE"), "{told}");
    assert_eq!(aws.signers(), ["from-kubernetes AssumeRoleWithWebIdentity", "KEYROLE1 us-east-1"]);
}

#[tokio::test]
async fn the_role_of_a_container_is_renewed_before_it_expires() {
    let aws = Aws::start().await;
    let mut around = Surroundings::new(&aws);
    let address = format!("{}/container", aws.address());
    around.variables(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &address), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "let")]);
    let told = put(around.hours(2)).await;
    assert!(told.contains("the container's role"), "{told}");
    let expected = ["let container", "KEYCONTAINER1 us-east-1", "let container", "KEYCONTAINER2 us-east-1"];
    assert_eq!(aws.signers(), expected);
}

#[tokio::test]
async fn the_role_of_the_machine_is_the_last_and_can_be_forbidden() {
    let aws = Aws::start().await;
    let mut around = Surroundings::new(&aws);
    around.remove("AWS_EC2_METADATA_DISABLED");
    around.variables(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", aws.address())]);
    let told = put(&around).await;
    assert!(told.contains("the machine's role") && told.contains("AWS_ACCESS_KEY_ID"), "{told}");
    assert_eq!(aws.signers(), ["KEYMACHINE us-east-1"]);
    let told = put(around.variables(&[("AWS_EC2_METADATA_DISABLED", "true")])).await;
    assert!(told.contains("no AWS credentials were found; AWS_ACCESS_KEY_ID"), "{told}");
    assert!(told.contains("AWS_EC2_METADATA_DISABLED is true"), "{told}");
    assert_eq!(aws.signers().len(), 1);
}

#[tokio::test]
async fn a_machine_that_does_not_answer_is_given_up() {
    let aws = Aws::start().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let mut around = Surroundings::new(&aws);
    around.remove("AWS_EC2_METADATA_DISABLED").variables(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &address)]);
    // How long this may take is told by `put`.
    let told = put(&around).await;
    assert!(told.contains("no AWS credentials were found"), "{told}");
    assert!(aws.signers().is_empty());
}

#[tokio::test]
async fn a_machine_that_refuses_is_told_with_what_would_work() {
    let aws = Aws::start().await;
    let forbidding = server::serve(|_| (403, String::new())).await;
    let mut around = Surroundings::new(&aws);
    around.remove("AWS_EC2_METADATA_DISABLED").variables(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &forbidding)]);
    let told = put(&around).await;
    assert!(told.contains("no AWS credentials were found; AWS_ACCESS_KEY_ID") && told.contains("forbidden"), "{told}");
}

#[tokio::test]
async fn half_a_key_and_broken_files_are_told() {
    let aws = Aws::start().await;
    let mut around = Surroundings::new(&aws);
    let told = put(around.variables(&[("AWS_ACCESS_KEY_ID", "KEYENV")])).await;
    assert!(told.contains("refuses"), "{told}");
    let around = Surroundings::new(&aws);
    around.file("config", "[default\nregion = eu-west-1\n");
    let told = put(&around).await;
    assert!(told.contains("refuses: the profiles of AWS"), "{told}");
    assert!(aws.signers().is_empty());
}
