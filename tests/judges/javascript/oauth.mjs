// openid-client, which is certified for OpenID Connect and FAPI, signs in at the hub whose address is the first argument. The people in
// front of it are played here: they read the pages and fill in the forms. jose verifies what is given.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import * as client from "openid-client";
import { createRemoteJWKSet, exportJWK, generateKeyPair, jwtVerify } from "jose";

const issuer = process.argv[2];
const insecure = { execute: [client.allowInsecureRequests] };
const back = { patient: "https://app.example/back", desk: "https://desk.example/back" };

/** What the test tells beside the hub: the code of a phone, an invitation; or takes: the keys of a system. */
const beside = async (path, body) => {
  const answer = await fetch(`${issuer}/test/${path}`, body ? { method: "POST", body } : {});
  assert.equal(answer.status, 200);
  return answer.text();
};

/** A browser: it keeps cookies, follows to no app, and sends the form of a page back. */
class Browser {
  cookies = new Map();

  async ask(address, more = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await fetch(address, { redirect: "manual", ...more, headers: { cookie, ...more.headers } });
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      this.cookies.set(name, value);
    }
    return { address: new URL(address), status: answer.status, html: await answer.text(), to: answer.headers.get("location") };
  }

  submit(page, step, entered) {
    const form = new URLSearchParams(entered);
    for (const [, name, value] of page.html.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g)) {
      if (!form.has(name)) form.set(name, value);
    }
    form.set("step", step);
    const action = /<form id="f" method="post" action="([^"]*)">/.exec(page.html)[1].replaceAll("&amp;", "&");
    return this.ask(new URL(action, page.address), { method: "POST", body: form, headers: { origin: issuer } });
  }
}

/** An authenticator app (RFC 6238). */
function oneTime(secret, at = Date.now()) {
  let bits = "";
  for (const sign of secret) bits += "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(sign).toString(2).padStart(5, "0");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const hash = createHmac("sha1", key).update(counter).digest();
  return String((hash.readUInt32BE(hash[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

const keys = createRemoteJWKSet(new URL(`${issuer}/oauth/jwks`));
const verified = (token) => jwtVerify(token, keys, { issuer, audience: `${issuer}/fhir`, typ: "at+jwt", algorithms: ["ES256"] });

async function asked(config, redirect_uri) {
  const verifier = client.randomPKCECodeVerifier();
  const [state, nonce] = [client.randomState(), client.randomNonce()];
  const address = client.buildAuthorizationUrl(config, {
    redirect_uri,
    scope: "openid fhirUser offline_access",
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    nonce,
  });
  return { address, checks: { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true } };
}

async function a_patient_signs_in_refreshes_and_leaves() {
  for (const algorithm of ["oidc", "oauth2"]) {
    const config = await client.discovery(new URL(issuer), "patient-app", {}, client.None(), { ...insecure, algorithm });
    client.enableNonRepudiationChecks(config);
    const { address, checks } = await asked(config, back.patient);
    const browser = new Browser();
    const phone = `+8613800138${algorithm === "oidc" ? "001" : "002"}`;
    let page = await browser.ask(address);
    page = await browser.submit(page, "phone", { phone });
    page = await browser.submit(page, "code", { code: await beside(`code?phone=${encodeURIComponent(phone)}`) });
    assert.equal(page.status, 303, page.html);
    const given = await client.authorizationCodeGrant(config, new URL(page.to), checks);
    const { payload } = await verified(given.access_token);
    assert.deepEqual(payload.roles, ["patient"]);
    assert.equal(given.claims().sub, payload.sub);
    assert.equal(given.claims().fhirUser, `${issuer}/fhir/Person/${payload.sub}`);
    const next = await client.refreshTokenGrant(config, given.refresh_token);
    await verified(next.access_token);
    await client.tokenRevocation(config, next.refresh_token);
    await assert.rejects(client.refreshTokenGrant(config, next.refresh_token), { error: "invalid_grant" });
    // A second use of the code, as somebody who has read it over a shoulder would try it.
    await assert.rejects(client.authorizationCodeGrant(config, new URL(page.to), checks), { error: "invalid_grant" });
  }
}

async function answers_that_were_exchanged_are_noticed() {
  const config = await client.discovery(new URL(issuer), "patient-app", {}, client.None(), insecure);
  const { address, checks } = await asked(config, back.patient);
  const browser = new Browser();
  let page = await browser.submit(await browser.ask(address), "phone", { phone: "+8613800138003" });
  page = await browser.submit(page, "code", { code: await beside("code?phone=%2B8613800138003") });
  for (const [name, value] of [["iss", "https://evil.example"], ["state", "another"]]) {
    const exchanged = new URL(page.to);
    exchanged.searchParams.set(name, value);
    await assert.rejects(client.authorizationCodeGrant(config, exchanged, checks));
  }
  await client.authorizationCodeGrant(config, new URL(page.to), checks);
}

async function a_refusal_is_told_to_the_app() {
  const config = await client.discovery(new URL(issuer), "patient-app", {}, client.None(), insecure);
  const { address, checks } = await asked(config, back.patient);
  address.searchParams.set("prompt", "none");
  const { to } = await new Browser().ask(address);
  await assert.rejects(client.authorizationCodeGrant(config, new URL(to), checks), { error: "login_required" });
}

async function a_member_of_staff_is_invited_and_signs_in() {
  const browser = new Browser();
  let page = await browser.ask(await beside("invitation"));
  const secret = /secret=([A-Z2-7]+)/.exec(page.html)[1];
  const password = "green hills and rivers";
  // The step after the one in which it is accepted is a step early, which a phone's clock may be.
  const entered = { password, again: password, "one-time": oneTime(secret, Date.now() - 30_000) };
  page = await browser.submit(page, "accept", entered);
  assert.equal(page.status, 200, page.html);
  const config = await client.discovery(new URL(issuer), "desk-app", {}, client.None(), insecure);
  const { address, checks } = await asked(config, back.desk);
  page = await browser.ask(address);
  page = await browser.submit(page, "staff", { number: "1001", password, "one-time": oneTime(secret) });
  assert.equal(page.status, 303, page.html);
  const given = await client.authorizationCodeGrant(config, new URL(page.to), checks);
  assert.deepEqual((await verified(given.access_token)).payload.roles, ["doctor"]);
}

async function a_system_proves_itself_by_keys_of_each_kind() {
  for (const algorithm of ["ES256", "RS256", "EdDSA", "ES384", "RS384"]) {
    const pair = await generateKeyPair(algorithm, { extractable: true });
    const kid = `key-${algorithm}`;
    const jwk = { ...(await exportJWK(pair.publicKey)), kid, alg: algorithm };
    await beside("system", JSON.stringify({ keys: [jwk] }));
    // The library signs by the name the newer RFC 9864 has for EdDSA, unless it is told.
    const told = { [client.modifyAssertion]: (header) => (header.alg = algorithm) };
    const config = await client.discovery(new URL(issuer), "lis", {}, client.PrivateKeyJwt({ key: pair.privateKey, kid }, told), insecure);
    if (algorithm.endsWith("384")) {
      // The library signs RSA and curves by the key's own parameters.
      assert.match(pair.privateKey.algorithm.hash?.name ?? pair.privateKey.algorithm.namedCurve, /384/);
    }
    const given = await client.clientCredentialsGrant(config);
    const { payload } = await verified(given.access_token);
    assert.equal(payload.sub, "lis");
    assert.deepEqual(payload.roles, ["system"]);
    const other = await generateKeyPair(algorithm);
    const stranger = await client.discovery(new URL(issuer), "lis", {}, client.PrivateKeyJwt({ key: other.privateKey, kid }, told), insecure);
    await assert.rejects(client.clientCredentialsGrant(stranger), { error: "invalid_client" });
  }
}

for (const judged of [
  a_patient_signs_in_refreshes_and_leaves,
  answers_that_were_exchanged_are_noticed,
  a_refusal_is_told_to_the_app,
  a_member_of_staff_is_invited_and_signs_in,
  a_system_proves_itself_by_keys_of_each_kind,
]) {
  await judged();
  console.log(`openid-client: ${judged.name.replaceAll("_", " ")}`);
}
