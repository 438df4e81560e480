"""Authlib signs in at the hub whose address is the first argument: a patient by a code, a system by its key."""

import html
import re
import sys
import time
import urllib.parse

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwk, jwt
from joserfc.jwk import KeySet

ISSUER = sys.argv[1]
BACK = "https://app.example/back"
PHONE = "+8613800139001"
TOLD = requests.get(f"{ISSUER}/.well-known/oauth-authorization-server", timeout=10).json()


def submit(browser, page, step, entered):
    """Sends the form of a page back, as a browser does."""
    form = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text))
    action = html.unescape(re.search(r'<form id="f" method="post" action="([^"]*)">', page.text)[1])
    address = urllib.parse.urljoin(page.url, action)
    return browser.post(address, data=form | {"step": step} | entered, allow_redirects=False, timeout=10)


def verified(token):
    """What an access token says, where one of the published keys has signed it."""
    keys = KeySet.import_key_set(requests.get(TOLD["jwks_uri"], timeout=10).json())
    read = jwt.decode(token, keys, algorithms=["ES256"])
    assert read.header["typ"] == "at+jwt"
    rules = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": f"{ISSUER}/fhir"},
        exp={"essential": True},
    )
    rules.validate(read.claims)
    return read.claims


def a_patient_signs_in_and_refreshes():
    app = OAuth2Session("patient-app", redirect_uri=BACK, code_challenge_method="S256", token_endpoint_auth_method="none")
    verifier = "authlib-" * 6
    address, state = app.create_authorization_url(TOLD["authorization_endpoint"], code_verifier=verifier)
    with requests.Session() as browser:
        page = submit(browser, browser.get(address, timeout=10), "phone", {"phone": PHONE})
        code = requests.get(f"{ISSUER}/test/code", params={"phone": PHONE}, timeout=10).text
        page = submit(browser, page, "code", {"code": code})
    assert page.status_code == 303, page.text
    app.fetch_token(TOLD["token_endpoint"], authorization_response=page.headers["location"], state=state, code_verifier=verifier)
    assert verified(app.token["access_token"])["roles"] == ["patient"]
    before = app.token["refresh_token"]
    app.refresh_token(TOLD["token_endpoint"], refresh_token=before)
    assert app.token["refresh_token"] != before
    assert verified(app.token["access_token"])["client_id"] == "patient-app"


def a_system_proves_itself():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = jwk.RSAKey.import_key(pem).as_dict(private=False)
    keys = {"keys": [public]}
    assert requests.post(f"{ISSUER}/test/system", json=keys, timeout=10).status_code == 200
    system = OAuth2Session("lis", pem, token_endpoint_auth_method="private_key_jwt")
    for _ in range(2):
        # An hour, as authlib has it by itself, is too long for the hub (SMART App Launch: five minutes at most).
        claims = {"exp": int(time.time()) + 240}
        system.register_client_auth_method(PrivateKeyJWT(TOLD["token_endpoint"], claims=claims))
        given = system.fetch_token(TOLD["token_endpoint"], grant_type="client_credentials")
        assert verified(given["access_token"])["sub"] == "lis"


for judged in (a_patient_signs_in_and_refreshes, a_system_proves_itself):
    judged()
    print(f"authlib: {judged.__name__.replace('_', ' ')}")
