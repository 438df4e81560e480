"""fhirpy judges the server whose base is the first argument: its lazy search sets, in both of its manners."""

import asyncio
import sys
import uuid

from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound

BASE = sys.argv[1]
MRN = f"urn:py:{uuid.uuid4()}"
client = SyncFHIRClient(BASE)


def patient(value, **more):
    return client.resource("Patient", identifier=[{"system": MRN, "value": value}], **more)


def raises(what, call):
    try:
        call()
    except what as error:
        return error
    raise AssertionError(f"{what.__name__} was expected")


def lives_from_create_to_gone():
    made = patient("life", name=[{"family": "Pei", "given": ["Li"]}], active=True)
    made.save()
    assert made.id and made["meta"]["versionId"] == "1"
    again = client.reference("Patient", made.id).to_resource()
    assert again.serialize() == made.serialize()
    made["gender"] = "female"
    made.save()
    assert made["meta"]["versionId"] == "2"
    # A merge patch: what fhirpy sends as `application/json`.
    made.patch(birthDate="1980-02-11", active=None)
    assert made["birthDate"] == "1980-02-11" and "active" not in made
    assert client.patch("Patient", made.id, gender="other")["gender"] == "other"
    made.refresh()
    assert made["gender"] == "other"
    assert client.execute(f"Patient/{made.id}/_history/1", method="get")["active"] is True
    history = client.execute(f"Patient/{made.id}/_history", method="get")
    assert [entry["resource"]["meta"]["versionId"] for entry in history["entry"]] == ["4", "3", "2", "1"]
    made.delete()
    gone = raises(ResourceNotFound, lambda: client.get("Patient", made.id))
    assert "OperationOutcome" in str(gone)
    wrong = raises(OperationOutcome, lambda: patient("wrong", gender="none such").save())
    assert wrong.resource["issue"][0]["severity"] == "error"


def is_bound_to_a_version():
    made = patient("version").save()
    bound = SyncFHIRClient(BASE, extra_headers={"If-Match": 'W/"1"'})
    bound.resource("Patient", **{**made.serialize(), "active": True}).save()
    raises(MultipleResourcesFound, lambda: bound.resource("Patient", **{**made.serialize(), "active": False}).save())
    assert client.get("Patient", made.id)["active"] is True


def looks_before_it_writes():
    one = client.resources("Patient").search(identifier=f"{MRN}|once")
    first, is_new = one.get_or_create(patient("once"))
    second, is_new_again = one.get_or_create(patient("once"))
    assert (is_new, is_new_again, second.id) == (True, False, first.id)
    changed, was_created = one.update(patient("once", gender="male"))
    assert not was_created and changed.id == first.id and changed["gender"] == "male"
    made, was_created = client.resources("Patient").search(identifier=f"{MRN}|new").update(patient("new"))
    assert was_created and made["meta"]["versionId"] == "1"
    patched = one.patch(gender="unknown")
    assert (patched.id, patched["gender"]) == (first.id, "unknown")
    patient("once").save()
    raises(MultipleResourcesFound, lambda: one.update(patient("once")))
    raises(MultipleResourcesFound, lambda: one.get())
    client.resources("Patient").search(identifier=f"{MRN}|new").delete()
    raises(ResourceNotFound, lambda: client.resources("Patient").search(identifier=f"{MRN}|new").get())


def finds_along_references():
    doctor = client.resource("Practitioner", name=[{"family": "Doc"}]).save()
    people = [patient(f"r{nth}", generalPractitioner=[doctor.to_reference()], name=[{"family": family}]).save()
              for nth, family in enumerate(["Ann", "Bob", "Cid"])]
    for nth in range(30):
        client.resource("Observation", status="final", code={"coding": [{"system": "http://loinc.org", "code": "2823-3"}]},
                        subject=people[nth % 3].to_reference(), identifier=[{"system": MRN, "value": "k"}],
                        effectiveDateTime=f"2026-03-{nth + 1:02}", valueQuantity={"value": nth / 10, "unit": "mmol/L"}).save()
    mine = client.resources("Observation").search(identifier=f"{MRN}|k")
    lenient = SyncFHIRClient(BASE, extra_headers={"Prefer": "handling=lenient"})
    # `count` says a parameter of another server besides; a lenient server leaves it out.
    assert lenient.resources("Observation").search(identifier=f"{MRN}|k").count() == 30
    for count in [1, 7, 30, 100]:
        found = mine.sort("-date").limit(count).fetch_all()
        assert [one["effectiveDateTime"] for one in found] == [f"2026-03-{nth:02}" for nth in range(30, 0, -1)]
    assert len(mine.search(date__ge="2026-03-11", date__lt="2026-03-21").fetch_all()) == 10
    assert len(mine.search(subject__Patient__family="bob").fetch_all()) == 10
    assert len(mine.search(subject__Patient__general_practitioner__Practitioner__family="doc", code__not="x").fetch_all()) == 30
    assert len(mine.search(subject=people[0], value_quantity__gt="1.5").fetch_all()) == 4
    bundle = mine.include("Observation", "subject").include("Patient", "general-practitioner", iterate=True).limit(50).fetch_raw()
    kinds = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert (kinds.count("Observation"), kinds.count("Patient"), kinds.count("Practitioner")) == (30, 3, 1)
    with_theirs = client.resources("Patient").search(_id=people[1].id).revinclude("Observation", "subject").limit(50).fetch_raw()
    assert len(with_theirs["entry"]) == 11
    assert client.resources("Patient").has("Observation", "subject", code="2823-3").search(identifier=f"{MRN}|r2").get().id == people[2].id
    slim = mine.elements("status").first()
    assert "valueQuantity" not in slim and slim["status"] == "final"


async def asks_all_at_once():
    together = AsyncFHIRClient(BASE)
    made = [together.resource("Basic", code={"text": "a"}, identifier=[{"system": MRN, "value": f"{nth:02}"}]) for nth in range(40)]
    await asyncio.gather(*(one.save() for one in made))
    found = [one async for one in together.resources("Basic").search(identifier=f"{MRN}|").sort("identifier").limit(9)]
    assert [one["identifier"][0]["value"] for one in found] == [f"{nth:02}" for nth in range(40)]
    search = together.resources("Basic").search(identifier=f"{MRN}|race")
    again = together.resource("Basic", code={"text": "r"}, identifier=[{"system": MRN, "value": "race"}])
    answers = await asyncio.gather(*(search.get_or_create(again) for _ in range(20)))
    assert sum(is_new for _, is_new in answers) == 1 and len({one.id for one, _ in answers}) == 1
    who = f"urn:uuid:{uuid.uuid4()}"
    bundle = together.resource("Bundle", type="transaction", entry=[
        {"fullUrl": who, "request": {"method": "POST", "url": "Patient"}, "resource": {"resourceType": "Patient"}},
        {"request": {"method": "POST", "url": "Basic"},
         "resource": {"resourceType": "Basic", "code": {"text": "t"}, "subject": {"reference": who}}}])
    answer = await together.execute("", data=bundle.serialize())
    assert [entry["response"]["status"][:3] for entry in answer["entry"]] == ["201", "201"]
    statement = await together.execute("metadata", method="get")
    assert statement["fhirVersion"] == "4.3.0"


for judged in [lives_from_create_to_gone, is_bound_to_a_version, looks_before_it_writes, finds_along_references]:
    judged()
    print(f"fhirpy: {judged.__name__}")
asyncio.run(asks_all_at_once())
print("fhirpy: asks_all_at_once")
