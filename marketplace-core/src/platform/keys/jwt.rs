//! Signs and verifies tokens for `jsonwebtoken` with ring. Of the two libraries that it offers itself, aws-lc takes longer
//! to build than everything else, and `rsa` has an advisory (RUSTSEC-2023-0071).

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result},
    signature::{Error, Signer, Verifier},
};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, Ed25519KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(Ed25519Signer::new(*algorithm, key)?)),
    verifier_factory: |algorithm, key| Ok(Box::new(PublicKey::new(*algorithm, key)?)),
    // These create JWKs from other keys; ours are written by `SigningKey`.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes `jsonwebtoken` sign and verify with ring. Calling it again does nothing.
pub(crate) fn install() {
    // An error means that a provider is already installed: this one, as nothing else installs any.
    let _ = PROVIDER.install_default();
}

/// A signer for our own tokens, which use only Ed25519.
struct Ed25519Signer(Ed25519KeyPair);

impl Ed25519Signer {
    fn new(algorithm: Algorithm, key: &EncodingKey) -> Result<Self> {
        if algorithm != Algorithm::EdDSA || key.family() != AlgorithmFamily::Ed {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        // The key was checked when its file was read.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.as_bytes());
        Ok(Self(pair.map_err(|_| ErrorKind::InvalidEddsaKey)?))
    }
}

impl Signer<Vec<u8>> for Ed25519Signer {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Error> {
        Ok(self.0.sign(message).as_ref().to_vec())
    }
}

impl JwtSigner for Ed25519Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

/// A verifier for our own tokens, and for those of providers of social login (`platform::openid` names the algorithms).
struct PublicKey {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl PublicKey {
    fn new(algorithm: Algorithm, key: &DecodingKey) -> Result<Self> {
        let family = match algorithm {
            Algorithm::EdDSA => AlgorithmFamily::Ed,
            Algorithm::ES256 => AlgorithmFamily::Ec,
            Algorithm::RS256 => AlgorithmFamily::Rsa,
            _ => return Err(ErrorKind::InvalidAlgorithm.into()),
        };
        if key.family() != family {
            return Err(ErrorKind::InvalidKeyFormat.into());
        }
        Ok(Self { algorithm, key: key.clone() })
    }
}

impl Verifier<Vec<u8>> for PublicKey {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        let verified = match (self.algorithm, self.key.kind()) {
            (Algorithm::EdDSA, DecodingKeyKind::SecretOrDer(key)) => {
                UnparsedPublicKey::new(&ED25519, key).verify(message, signature)
            }
            (Algorithm::ES256, DecodingKeyKind::SecretOrDer(key)) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(message, signature)
            }
            (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) => {
                let key = RsaPublicKeyComponents { n: without_zeros(n), e: without_zeros(e) };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            _ => return Err(Error::new()),
        };
        verified.map_err(|_| Error::new())
    }
}

impl JwtVerifier for PublicKey {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// Removes leading zeros. Some issuers write them, as in ASN.1 (RFC 7518 §6.3.1.1 warns of this); ring does not accept
/// them.
fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use jsonwebtoken::crypto::{sign, verify};

    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    /// Returns the key of RFC 8037 §A.1 in the format of our key files before ring wrote them: PKCS#8 version 1.
    fn private_key() -> EncodingKey {
        let prefix = hex::decode("302e020100300506032b657004220420").unwrap();
        EncodingKey::from_ed_der(&[prefix, bytes("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")].concat())
    }

    /// Returns the algorithm, key, text and signature of the standards' examples (RFC 8037 §A.4, RFC 7515 §A.3 and §A.2).
    fn examples() -> [(Algorithm, DecodingKey, String, &'static str); 3] {
        let claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let ed = DecodingKey::from_ed_components("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let ec = DecodingKey::from_ec_components(
            "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        );
        [
            (
                Algorithm::EdDSA,
                ed,
                "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".into(),
                "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
            ),
            (
                Algorithm::ES256,
                ec.unwrap(),
                format!("eyJhbGciOiJFUzI1NiJ9.{claims}"),
                "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
            ),
            (
                Algorithm::RS256,
                DecodingKey::from_rsa_components(MODULUS, "AQAB").unwrap(),
                format!("eyJhbGciOiJSUzI1NiJ9.{claims}"),
                "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CU\
                 Ar7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_d\
                 O--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0ig\
                 cN_IoypGlUPQGe77Rw",
            ),
        ]
    }

    const MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-\
                           SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS\
                           -UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2\
                           ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

    #[test]
    fn the_examples_of_the_standards_verify_and_changed_ones_do_not() {
        install();
        for (algorithm, key, text, signature) in examples() {
            assert!(verify(signature, text.as_bytes(), &key, algorithm).unwrap(), "{algorithm:?}");
            assert!(!verify(signature, &text.as_bytes()[1..], &key, algorithm).unwrap(), "{algorithm:?}");
            assert!(!verify(&signature[4..], text.as_bytes(), &key, algorithm).unwrap(), "{algorithm:?}");
        }
    }

    #[test]
    fn a_modulus_may_begin_with_a_zero() {
        install();
        let [.., (algorithm, _, text, signature)] = examples();
        let key = DecodingKey::from_rsa_raw_components(&[vec![0], bytes(MODULUS)].concat(), &[0, 1, 0, 1]);
        assert!(verify(signature, text.as_bytes(), &key, algorithm).unwrap());
    }

    #[test]
    fn keys_of_before_sign_as_they_did() {
        install();
        let [(algorithm, _, text, signature), ..] = examples();
        assert_eq!(sign(text.as_bytes(), &private_key(), algorithm).unwrap(), signature);
    }

    #[test]
    fn a_key_serves_its_own_algorithm_only() {
        install();
        let examples = examples();
        for algorithm in [Algorithm::HS256, Algorithm::RS512, Algorithm::PS256, Algorithm::ES384] {
            for (_, key, text, signature) in &examples {
                assert!(verify(signature, text.as_bytes(), key, algorithm).is_err(), "{algorithm:?}");
            }
        }
        for (i, (algorithm, ..)) in examples.iter().enumerate() {
            for (j, (_, key, text, signature)) in examples.iter().enumerate() {
                assert_eq!(verify(signature, text.as_bytes(), key, *algorithm).is_err(), i != j, "{algorithm:?}");
            }
        }
        assert!(sign(b"text", &private_key(), Algorithm::HS256).is_err());
        assert!(sign(b"text", &EncodingKey::from_secret(b"secret"), Algorithm::EdDSA).is_err());
    }
}
