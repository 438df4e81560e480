// SMART's fhirclient judges the server whose base is the first argument, as an app does that needs no sign-in.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import FHIR from "fhirclient";

const base = process.argv[2];
// What the library wants of a web server's request when it runs in one; an open server is asked without any of it.
const request = { headers: { host: "localhost" }, url: "/", socket: {} };
const client = FHIR(request, {}, { get: async () => undefined, set: async () => undefined, unset: async () => true }).client(base);
const mrn = `urn:smart:${randomUUID()}`;
const identifier = (value) => [{ system: mrn, value }];

/** The status of a refusal, whose body the library has read as an OperationOutcome. */
async function refused(asked) {
  const error = await asked.then(() => assert.fail("it was to be refused"), (error) => error);
  assert.match(String(error.message), /./);
  return error.status ?? error.statusCode;
}

async function knows_the_release() {
  assert.equal(await client.getFhirVersion(), "4.3.0");
  assert.equal((await client.request("metadata")).resourceType, "CapabilityStatement");
}

async function creates_updates_patches_deletes() {
  const made = await client.create({ resourceType: "Patient", identifier: identifier("1"), active: true });
  assert.deepEqual(await client.request(`Patient/${made.id}`), made);
  const changed = await client.update({ ...made, gender: "female" }, { headers: { "if-match": `W/"${made.meta.versionId}"` } });
  assert.equal(changed.meta.versionId, "2");
  assert.equal(await refused(client.update(made, { headers: { "if-match": 'W/"1"' } })), 412);
  const patched = await client.patch(`Patient/${made.id}`, [{ op: "remove", path: "/active" }, { op: "add", path: "/birthDate", value: "1970-01-01" }]);
  assert.equal(patched.birthDate, "1970-01-01");
  assert.ok(!("active" in patched));
  assert.equal((await client.request(`Patient/${made.id}/_history/1`)).active, true);
  await client.delete(`Patient/${made.id}`);
  assert.equal(await refused(client.request(`Patient/${made.id}`)), 410);
  assert.equal(await refused(client.request("Patient/nobody")), 404);
  assert.equal(await refused(client.create({ resourceType: "Patient", gender: "none such" })), 422);
  assert.equal(await refused(client.request("Patient?nonsense=1")), 400);
}

async function creates_on_a_condition() {
  const condition = { headers: { "if-none-exist": `identifier=${mrn}|once` } };
  const both = await Promise.all([1, 2].map(() => client.create({ resourceType: "Patient", identifier: identifier("once") }, condition)));
  assert.equal(both[0].id, both[1].id);
}

async function follows_pages_and_references() {
  const ward = await client.create({ resourceType: "Organization", name: "Ward 7", identifier: identifier("w") });
  const patients = [];
  for (let nth = 0; nth < 3; nth += 1) {
    patients.push(await client.create({ resourceType: "Patient", identifier: identifier(`p${nth}`), managingOrganization: { reference: `Organization/${ward.id}` } }));
  }
  const made = [];
  for (let nth = 0; nth < 23; nth += 1) {
    made.push(await client.create({ resourceType: "Observation", status: "final", code: { text: "K" }, identifier: identifier("o"),
      subject: { reference: `Patient/${patients[nth % 3].id}` }, effectiveDateTime: `2026-01-${String(nth + 1).padStart(2, "0")}` }));
  }
  const address = `Observation?identifier=${encodeURIComponent(`${mrn}|o`)}&_count=4&_sort=-date`;
  const all = await client.request(address, { pageLimit: 0, flat: true });
  assert.deepEqual(all.map((one) => one.id), made.map((one) => one.id).reverse());
  const pages = await client.request(address, { pageLimit: 3 });
  assert.deepEqual(pages.map((page) => page.entry.length), [4, 4, 4]);
  const seen = [];
  await client.request(address, { pageLimit: 0, onPage: (page) => seen.push(...page.entry) });
  assert.equal(seen.length, 23);
  const walked = [];
  for await (const one of client.resources(address)) walked.push(one.id);
  assert.deepEqual(walked, all.map((one) => one.id));

  const { data, references } = await client.request(address,
    { pageLimit: 0, flat: true, graph: false, resolveReferences: ["entry.resource.subject", "subject"] }).then((answer) => answer.data ? answer : { data: answer, references: {} });
  assert.equal(data.length, 23);
  assert.ok(Object.keys(references).every((reference) => references[reference].resourceType === "Patient"));
  const one = await client.request(`Observation/${made[0].id}`, { resolveReferences: ["subject", "subject.managingOrganization"] });
  assert.equal(one.subject.managingOrganization.name, "Ward 7");
  const chained = await client.request(`Observation?patient.organization.name=Ward&identifier=${encodeURIComponent(`${mrn}|o`)}&_include=Observation:patient&_count=50`);
  assert.equal(chained.entry.filter((entry) => entry.search.mode === "include").length, 3);
}

async function sends_bundles() {
  const who = `urn:uuid:${randomUUID()}`;
  const entry = [
    { fullUrl: who, resource: { resourceType: "Patient", identifier: identifier("b") }, request: { method: "POST", url: "Patient", ifNoneExist: `identifier=${mrn}|b` } },
    { resource: { resourceType: "Basic", identifier: identifier("b"), code: { coding: [{ code: "x" }] }, subject: { reference: who } }, request: { method: "POST", url: "Basic" } },
  ];
  const send = (type) => client.request({ url: "", method: "POST", headers: { "content-type": "application/fhir+json" },
    body: JSON.stringify({ resourceType: "Bundle", type, entry }) });
  const answer = await send("transaction");
  assert.deepEqual(answer.entry.map((one) => one.response.status.slice(0, 3)), ["201", "201"]);
  const again = await send("transaction");
  assert.deepEqual(again.entry.map((one) => one.response.status.slice(0, 3)), ["200", "201"]);
  const found = await client.request(`Patient?_has:Basic:patient:code:missing=true&identifier=${encodeURIComponent(`${mrn}|b`)}`);
  assert.equal(found.total, 0);
  const basics = await client.request(`Basic?patient:Patient.identifier=${encodeURIComponent(`${mrn}|b`)}`, { flat: true });
  assert.equal(basics.length, 2);
  const batch = await client.request({ url: "", method: "POST", headers: { "content-type": "application/fhir+json" },
    body: JSON.stringify({ resourceType: "Bundle", type: "batch", entry: [
      { request: { method: "GET", url: `Patient/${basics[0].subject.reference.split("/")[1]}` } }, { request: { method: "GET", url: "Patient/nobody" } }] }) });
  assert.deepEqual(batch.entry.map((one) => one.response.status.slice(0, 3)), ["200", "404"]);
}

for (const judged of [knows_the_release, creates_updates_patches_deletes, creates_on_a_condition, follows_pages_and_references, sends_bundles]) {
  await judged();
  console.log(`fhirclient: ${judged.name}`);
}
