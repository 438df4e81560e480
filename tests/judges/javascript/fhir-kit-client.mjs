// fhir-kit-client judges the server whose base is the first argument: every verb, conditions, pages, chains, bundles.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { CapabilityTool, Client } from "fhir-kit-client";

const client = new Client({ baseUrl: process.argv[2] });
const mrn = `urn:kit:${randomUUID()}`;
const patient = (value, more = {}) => ({ resourceType: "Patient", identifier: [{ system: mrn, value }], ...more });
const headers = (those) => ({ headers: those });
const etag = (answer) => Client.httpFor(answer).response.headers.get("etag");
const status = (answer) => Client.httpFor(answer).response.status;

/** The status and the first code of the OperationOutcome that a request is refused with. */
async function refused(request) {
  const answer = await request.then(() => assert.fail("it was to be refused"), (error) => error.response ?? assert.fail(error));
  assert.equal(answer.data.resourceType, "OperationOutcome");
  return [answer.status, answer.data.issue[0].code];
}

/** The resources of all pages, and how many pages there were. */
async function walk(page) {
  const found = [];
  let pages = 0;
  for (; page; page = await client.nextPage({ bundle: page })) {
    found.push(...(page.entry ?? []).map((entry) => entry.resource));
    pages += 1;
  }
  return { found, pages };
}

async function tells_what_it_can() {
  const statement = await client.capabilityStatement();
  assert.equal(statement.fhirVersion, "4.3.0");
  const tool = new CapabilityTool(statement);
  for (const interaction of ["read", "vread", "update", "patch", "delete", "create", "search-type", "history-instance"]) {
    assert.ok(tool.resourceCan("Patient", interaction), interaction);
  }
  assert.ok(tool.serverCan("transaction") && tool.serverCan("batch") && tool.serverCan("history-system"));
  assert.ok(tool.resourceSearch("Patient", "birthdate"));
}

async function lives_from_create_to_gone() {
  const made = await client.create({ resourceType: "Patient", body: patient("life", { active: true }) });
  assert.equal(status(made), 201);
  const at = { resourceType: "Patient", id: made.id };
  const read = await client.read(at);
  assert.deepEqual(read, made);
  assert.equal(etag(read), `W/"${read.meta.versionId}"`);

  const changed = await client.update({ ...at, body: { ...read, active: false }, options: headers({ "If-Match": etag(read) }) });
  assert.equal(changed.meta.versionId, "2");
  const stale = client.update({ ...at, body: read, options: headers({ "If-Match": etag(read) }) });
  assert.deepEqual(await refused(stale), [412, "conflict"]);
  assert.equal((await client.vread({ ...at, version: "1" })).active, true);

  const patched = await client.patch({ ...at, jsonPatch: [{ op: "replace", path: "/active", value: true }] });
  assert.equal(patched.active, true);
  const unfit = client.patch({ ...at, jsonPatch: [{ op: "test", path: "/active", value: false }] });
  assert.equal((await refused(unfit))[0], 422);

  await client.delete(at);
  assert.deepEqual(await refused(client.read(at)), [410, "deleted"]);
  const history = await client.history(at);
  assert.equal(history.entry[0].request.method, "DELETE");
  assert.equal(history.entry.length, 4);
  assert.equal((await client.vread({ ...at, version: "3" })).active, true);
  assert.deepEqual(await refused(client.read({ resourceType: "Patient", id: "nobody" })), [404, "not-found"]);
}

async function writes_under_a_condition() {
  const condition = headers({ "If-None-Exist": `identifier=${mrn}|once` });
  const first = await client.create({ resourceType: "Patient", body: patient("once"), options: condition });
  const again = await client.create({ resourceType: "Patient", body: patient("once"), options: condition });
  assert.deepEqual([status(first), status(again), again.id], [201, 200, first.id]);

  const searchParams = { identifier: `${mrn}|put` };
  const made = await client.update({ resourceType: "Patient", searchParams, body: patient("put", { gender: "male" }) });
  const met = await client.update({ resourceType: "Patient", searchParams, body: patient("put", { gender: "other" }) });
  assert.deepEqual([status(made), status(met), met.id], [201, 200, made.id]);
  assert.equal(met.meta.versionId, "2");

  await client.create({ resourceType: "Patient", body: patient("put") });
  const several = client.update({ resourceType: "Patient", searchParams, body: patient("put") });
  assert.equal((await refused(several))[0], 412);
}

async function pages_lose_and_repeat_nothing() {
  const made = await Promise.all(Array.from({ length: 37 }, (_, nth) =>
    client.create({ resourceType: "Basic", body: { resourceType: "Basic", code: { text: "page" }, identifier: [{ system: mrn, value: `${nth}` }] } })));
  for (const _sort of ["_id", "-_id", "_lastUpdated", "-_lastUpdated", "identifier", "-created,_id"]) {
    const first = await client.resourceSearch({ resourceType: "Basic", searchParams: { identifier: `${mrn}|`, _count: 5, _sort, _total: "accurate" } });
    assert.equal(first.total, 37);
    const { found, pages } = await walk(first);
    assert.equal(pages, 8, _sort);
    assert.deepEqual(found.map((one) => one.id).sort(), made.map((one) => one.id).sort(), _sort);
    if (_sort.endsWith("_id") && !_sort.includes(",")) {
      const ids = found.map((one) => one.id);
      assert.deepEqual(ids, _sort === "_id" ? [...ids].sort() : [...ids].sort().reverse());
    }
  }
}

async function bundles_are_whole_or_each_for_itself() {
  const [who, what] = [`urn:uuid:${randomUUID()}`, `urn:uuid:${randomUUID()}`];
  const observation = { resourceType: "Observation", status: "final", code: { coding: [{ system: "http://loinc.org", code: "718-7" }] },
    identifier: [{ system: mrn, value: "o" }], subject: { reference: who }, valueQuantity: { value: 13.5, unit: "g/dL", system: "http://unitsofmeasure.org", code: "g/dL" } };
  const answer = await client.transaction({ body: { resourceType: "Bundle", type: "transaction", entry: [
    { fullUrl: what, resource: observation, request: { method: "POST", url: "Observation" } },
    { fullUrl: who, resource: patient("t", { name: [{ family: "Kit", given: ["Lin"] }], birthDate: "1980-02-11" }), request: { method: "POST", url: "Patient" } },
  ] } });
  assert.equal(answer.type, "transaction-response");
  assert.ok(answer.entry.every((entry) => entry.response.status.startsWith("201")));
  const patientId = answer.entry[1].response.location.split("/").at(-3);

  const stored = await client.resourceSearch({ resourceType: "Observation", searchParams: { identifier: `${mrn}|o`, _include: "Observation:subject" } });
  assert.deepEqual(stored.entry.map((entry) => entry.search.mode), ["match", "include"]);
  assert.equal(stored.entry[0].resource.subject.reference, `Patient/${patientId}`);
  assert.equal((await client.resolve({ reference: stored.entry[0].resource.subject.reference })).birthDate, "1980-02-11");
  const chained = await client.resourceSearch({ resourceType: "Observation", searchParams: { "subject:Patient.identifier": `${mrn}|t`, code: "http://loinc.org|718-7" } });
  assert.equal(chained.total, 1);
  const asked = await client.resourceSearch({ resourceType: "Patient", searchParams: { "_has:Observation:subject:code": "718-7", identifier: `${mrn}|t`, birthdate: "lt1981" },
    options: { postSearch: true } });
  assert.equal(asked.entry[0].resource.id, patientId);
  const heavy = await client.resourceSearch({ resourceType: "Observation", searchParams: { "value-quantity": "135|http://unitsofmeasure.org|g/L", identifier: `${mrn}|o` } });
  assert.equal(heavy.total, 1);

  const half = { resourceType: "Bundle", type: "transaction", entry: [
    { resource: patient("half"), request: { method: "POST", url: "Patient" } },
    { resource: { resourceType: "Patient", id: patientId, gender: "no such" }, request: { method: "PUT", url: `Patient/${patientId}` } },
  ] };
  assert.equal((await refused(client.transaction({ body: half })))[0], 422);
  const count = async (value) => (await client.resourceSearch({ resourceType: "Patient", searchParams: { identifier: `${mrn}|${value}` } })).total;
  assert.equal(await count("half"), 0);

  const batch = await client.batch({ body: { ...half, type: "batch" } });
  assert.deepEqual(batch.entry.map((entry) => entry.response.status.slice(0, 3)), ["201", "422"]);
  assert.equal(batch.entry[1].response.outcome.resourceType, "OperationOutcome");
  assert.equal(await count("half"), 1);
}

async function histories_lead_through_all_versions() {
  const made = await client.create({ resourceType: "Basic", body: { resourceType: "Basic", code: { text: "0" } } });
  for (let nth = 1; nth <= 6; nth += 1) {
    await client.update({ resourceType: "Basic", id: made.id, body: { ...made, code: { text: `${nth}` } } });
  }
  const { found } = await walk(await client.request(`Basic/${made.id}/_history?_count=3`));
  assert.deepEqual(found.map((one) => one.code.text), ["6", "5", "4", "3", "2", "1", "0"]);
  const ofType = await walk(await client.request("Basic/_history?_count=20"));
  assert.equal(ofType.found.filter((one) => one.id === made.id).length, 7);
  assert.equal((await client.systemHistory()).type, "history");
}

for (const judged of [tells_what_it_can, lives_from_create_to_gone, writes_under_a_condition, pages_lose_and_repeat_nothing,
  bundles_are_whole_or_each_for_itself, histories_lead_through_all_versions]) {
  await judged();
  console.log(`fhir-kit-client: ${judged.name}`);
}
