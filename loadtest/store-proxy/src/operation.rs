//! Which operation of S3 a request is, and by which price it goes.

use hyper::header::HeaderMap;
use hyper::{Method, Uri};
use serde::{Deserialize, Serialize};

use crate::error::{Error, invalid};

/// Operations by their names in S3. What has no name here is `Other…`, by its method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are those of S3")]
pub enum Operation {
    PutObject,
    GetObject,
    HeadObject,
    DeleteObject,
    DeleteObjects,
    CopyObject,
    ListObjectsV2,
    ListObjects,
    ListObjectVersions,
    CreateMultipartUpload,
    UploadPart,
    UploadPartCopy,
    CompleteMultipartUpload,
    AbortMultipartUpload,
    ListParts,
    ListMultipartUploads,
    GetObjectAcl,
    GetObjectAttributes,
    GetObjectTagging,
    PutObjectAcl,
    PutObjectTagging,
    DeleteObjectTagging,
    CreateSession,
    ListBuckets,
    CreateBucket,
    HeadBucket,
    DeleteBucket,
    GetBucketLocation,
    GetBucketVersioning,
    OtherGet,
    OtherHead,
    OtherPut,
    OtherPost,
    OtherDelete,
    Other,
}

/// What S3 charges by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// PUT, COPY and POST.
    Put,
    /// LIST, which may have a price of its own.
    List,
    /// GET and all else.
    Get,
    /// DELETE, and giving up an upload.
    Delete,
}

use Operation::*;

impl Operation {
    /// The operation that a request asks for, told from its path `/bucket/key`, its query and whether it names a source.
    pub(crate) fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Operation {
        let (_, path) = uri.path().split_at(1.min(uri.path().len()));
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let query = uri.query().unwrap_or("");
        let asks = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
        let copies = headers.contains_key("x-amz-copy-source");
        let found = match (bucket.is_empty(), key.is_empty()) {
            (true, _) => (*method == Method::GET).then_some(ListBuckets),
            (false, true) => of_bucket(method, &asks, query),
            (false, false) => of_object(method, &asks, copies, query),
        };
        found.unwrap_or_else(|| other(method))
    }

    /// The price it goes by.
    #[must_use]
    pub fn charge(self) -> Charge {
        match self {
            PutObject
            | CopyObject
            | CreateMultipartUpload
            | UploadPart
            | UploadPartCopy
            | CompleteMultipartUpload
            | PutObjectAcl
            | PutObjectTagging
            | CreateBucket
            | OtherPut
            | OtherPost => Charge::Put,
            ListObjectsV2 | ListObjects | ListObjectVersions | ListParts | ListMultipartUploads | ListBuckets => {
                Charge::List
            }
            DeleteObject | DeleteObjects | AbortMultipartUpload | DeleteObjectTagging | DeleteBucket | OtherDelete => {
                Charge::Delete
            }
            GetObject | HeadObject | GetObjectAcl | GetObjectAttributes | GetObjectTagging | CreateSession
            | HeadBucket | GetBucketLocation | GetBucketVersioning | OtherGet | OtherHead | Other => Charge::Get,
        }
    }

    /// Whether the store keeps what is in the request's body.
    pub(crate) fn keeps_its_body(self) -> bool {
        matches!(self, PutObject | UploadPart)
    }

    /// The operation of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn named(name: &str) -> Result<Operation, Error> {
        let found = serde_json::from_value(serde_json::Value::from(name));
        found.map_err(|_| invalid(format!("no operation of S3 is called {name:?}; PutObject or GetObject would work")))
    }

    /// Its name in S3.
    #[must_use]
    pub fn name(self) -> String {
        format!("{self:?}")
    }
}

fn of_bucket(method: &Method, asks: &dyn Fn(&str) -> bool, query: &str) -> Option<Operation> {
    // What lists has these words as well.
    let lists = |pair: &str| {
        let name = pair.split('=').next().unwrap_or_default();
        ["", "prefix", "delimiter", "marker", "max-keys", "encoding-type"].contains(&name)
    };
    match *method {
        Method::GET if query.split('&').any(|pair| pair == "list-type=2") => Some(ListObjectsV2),
        Method::GET if asks("versions") => Some(ListObjectVersions),
        Method::GET if asks("uploads") => Some(ListMultipartUploads),
        Method::GET if asks("location") => Some(GetBucketLocation),
        Method::GET if asks("versioning") => Some(GetBucketVersioning),
        Method::GET if asks("session") => Some(CreateSession),
        Method::GET if query.split('&').all(lists) => Some(ListObjects),
        Method::HEAD => Some(HeadBucket),
        Method::PUT if query.is_empty() => Some(CreateBucket),
        Method::POST if asks("delete") => Some(DeleteObjects),
        Method::DELETE if query.is_empty() => Some(DeleteBucket),
        _ => None,
    }
}

fn of_object(method: &Method, asks: &dyn Fn(&str) -> bool, copies: bool, query: &str) -> Option<Operation> {
    let is_part = asks("uploadId") && asks("partNumber");
    match *method {
        Method::PUT if is_part && copies => Some(UploadPartCopy),
        Method::PUT if is_part => Some(UploadPart),
        Method::PUT if asks("tagging") => Some(PutObjectTagging),
        Method::PUT if asks("acl") => Some(PutObjectAcl),
        Method::PUT if copies => Some(CopyObject),
        Method::PUT if is_plain(query) => Some(PutObject),
        Method::POST if asks("uploads") => Some(CreateMultipartUpload),
        Method::POST if asks("uploadId") => Some(CompleteMultipartUpload),
        Method::GET if asks("uploadId") => Some(ListParts),
        Method::GET if asks("tagging") => Some(GetObjectTagging),
        Method::GET if asks("acl") => Some(GetObjectAcl),
        Method::GET if asks("attributes") => Some(GetObjectAttributes),
        Method::GET if is_plain(query) => Some(GetObject),
        Method::HEAD => Some(HeadObject),
        Method::DELETE if asks("uploadId") => Some(AbortMultipartUpload),
        Method::DELETE if asks("tagging") => Some(DeleteObjectTagging),
        Method::DELETE if is_plain(query) => Some(DeleteObject),
        _ => None,
    }
}

/// Whether a query says how, and not what else: the SDKs say which call it is, and URLs may be signed in it.
fn is_plain(query: &str) -> bool {
    query.split('&').all(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        ["", "x-id", "versionId", "partNumber"].contains(&name)
            || name.starts_with("X-Amz-")
            || name.starts_with("response-")
    })
}

fn other(method: &Method) -> Operation {
    match *method {
        Method::GET => OtherGet,
        Method::HEAD => OtherHead,
        Method::PUT => OtherPut,
        Method::POST => OtherPost,
        Method::DELETE => OtherDelete,
        _ => Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, uri: &str, wanted: Operation) {
        let uri: Uri = uri.parse().expect("a path");
        assert_eq!(Operation::of(&method, &uri, &HeaderMap::new()), wanted, "{method} {uri}");
    }

    #[test]
    fn requests_have_the_names_of_s3() {
        check(Method::PUT, "/bucket/a/b", PutObject);
        check(Method::PUT, "/bucket/a/b?x-id=PutObject", PutObject);
        check(Method::GET, "/bucket/a?X-Amz-Signature=1&response-content-type=a", GetObject);
        check(Method::HEAD, "/bucket/a", HeadObject);
        check(Method::DELETE, "/bucket/a", DeleteObject);
        check(Method::POST, "/bucket?delete", DeleteObjects);
        check(Method::POST, "/bucket/?delete=", DeleteObjects);
        check(Method::GET, "/bucket?list-type=2&prefix=a%2F", ListObjectsV2);
        check(Method::GET, "/bucket/?prefix=a", ListObjects);
        check(Method::GET, "/bucket", ListObjects);
        check(Method::POST, "/bucket/a?uploads", CreateMultipartUpload);
        check(Method::POST, "/bucket/a?uploads=", CreateMultipartUpload);
        check(Method::PUT, "/bucket/a?partNumber=1&uploadId=u", UploadPart);
        check(Method::POST, "/bucket/a?uploadId=u", CompleteMultipartUpload);
        check(Method::DELETE, "/bucket/a?uploadId=u", AbortMultipartUpload);
        check(Method::GET, "/bucket/a?uploadId=u", ListParts);
        check(Method::GET, "/bucket?uploads", ListMultipartUploads);
        check(Method::GET, "/", ListBuckets);
        check(Method::HEAD, "/bucket", HeadBucket);
        check(Method::PUT, "/bucket", CreateBucket);
        check(Method::GET, "/bucket?location", GetBucketLocation);
        check(Method::GET, "/bucket?session", CreateSession);
    }

    #[test]
    fn what_has_no_name_goes_by_its_method() {
        check(Method::PUT, "/bucket?lifecycle", OtherPut);
        check(Method::GET, "/bucket/a?torrent", OtherGet);
        check(Method::POST, "/bucket/a?select&select-type=2", OtherPost);
        check(Method::OPTIONS, "/bucket/a", Other);
    }

    #[test]
    fn a_source_makes_it_a_copy() {
        let headers: HeaderMap =
            [(hyper::header::HeaderName::from_static("x-amz-copy-source"), "/b/k".parse().expect("a value"))]
                .into_iter()
                .collect();
        let of = |uri: &'static str| Operation::of(&Method::PUT, &Uri::from_static(uri), &headers);
        assert_eq!(of("/bucket/a"), CopyObject);
        assert_eq!(of("/bucket/a?partNumber=1&uploadId=u"), UploadPartCopy);
    }

    #[test]
    fn names_are_those_in_json() {
        assert_eq!(Operation::named("ListObjectsV2").expect("known"), ListObjectsV2);
        Operation::named("putobject").expect_err("it is PutObject");
        assert_eq!(serde_json::to_string(&ListObjectsV2).expect("a name"), format!("{:?}", ListObjectsV2.name()));
    }
}
