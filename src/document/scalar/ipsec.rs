//! Suites and identities.

use crypto::{EspProposal, IkeProposal, ParseSuiteError};
use identity::{Identity, ParseIdentityError};
use schemars::{Schema, json_schema};

use crate::field::Scalar;

impl Scalar for IkeProposal {
    const EXPECTED: &'static str = "an IKE suite such as `aes256gcm16-prfsha384-ecp384`";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: ParseSuiteError| error.to_string())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "examples": ["aes256gcm16-prfsha384-ecp384", "aes256-sha256-modp2048"] })
    }
}

impl Scalar for EspProposal {
    const EXPECTED: &'static str = "an ESP suite such as `aes256gcm16-ecp384` or `aes256-sha256`";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: ParseSuiteError| error.to_string())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "examples": ["aes256gcm16-ecp384", "aes256-sha256-modp2048"] })
    }
}

impl Scalar for Identity {
    const EXPECTED: &'static str =
        "an identity such as `203.0.113.7`, `gw.example.net`, `me@example.net` or `C=CH, CN=gateway`";

    fn parse(text: &str) -> Result<Self, String> {
        let parsed = text.parse();
        if matches!(parsed, Ok(Self::Dn(_)) | Err(ParseIdentityError::Name(_))) {
            return parsed.map_err(|error: ParseIdentityError| error.to_string());
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            // S0-31: no spaces.
            return Err(format!("`{text}` holds white space"));
        }
        parsed.map_err(|error: ParseIdentityError| error.to_string())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^(\\S+|[A-Za-z0-9.]+ *=.+)$" })
    }
}
