"""zeep, a SOAP client by others, books at the simulated HIS as its WSDL says: in SOAP 1.1 and in SOAP 1.2.

Signatures are made with Python's own hashlib. Usage: his_simulator.py ADDRESS KEY
"""

import hashlib
import sys
import uuid
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import zeep

ADDRESS, KEY = sys.argv[1:]
PATIENT = "1000001"


def sign(code, seq, time, inner):
    return hashlib.md5(f"{code}|{seq}|{time}|{inner}|{KEY}".encode()).hexdigest().upper()


def fields(**values):
    return "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in values.items())


def ask(service, code, seq=None, **values):
    """The Body of the answer; anything but ResultCode 0 and a right signature ends the program."""
    seq = seq or uuid.uuid4().hex
    time = "2026-03-02 07:00:00"
    inner = fields(**values)
    head = fields(
        TransCode=code, TransSeq=seq, AppId="IMPF", OrgCode="SZIMH", OperatorId="zeep", ReqTime=time,
        Sign=sign(code, seq, time, inner),
    )
    text = service.Invoke(transCode=code, requestXml=f"<Request><Head>{head}</Head><Body>{inner}</Body></Request>")
    response = ElementTree.fromstring(text)
    assert response.findtext("Head/ResultCode") == "0", (code, response.findtext("Head/ResultMsg"))
    assert response.findtext("Head/TransSeq") == seq
    answered = text.split("<Body>", 1)[1].rsplit("</Body>", 1)[0]
    assert response.findtext("Head/Sign") == sign(code, seq, time, answered), code
    return response.find("Body")


def books(service):
    """A number from the roster to the refund; how many sessions there were."""
    doctors = ask(service, "H102", PageSize=500).findall("Items/Item")
    assert any(doctor.findtext("Name") == "张建华" for doctor in doctors)
    sessions = ask(service, "H301", StartDate="2026-03-03", EndDate="2026-03-09", ClinicType="1")
    sessions = sessions.findall("Schedules/Schedule")
    session = next(session for session in sessions if session.findtext("Status") == "1")
    slots = ask(service, "H302", ScheduleId=session.findtext("ScheduleId")).findall("Slots/Slot")
    slot = next(slot for slot in slots if slot.findtext("Status") == "0")
    lock = ask(service, "H303", SlotId=slot.findtext("SlotId"), PatientId=PATIENT)
    order, seq = uuid.uuid4().hex.upper(), uuid.uuid4().hex
    confirmed = ask(
        service, "H305", seq, LockId=lock.findtext("LockId"), PatientId=PATIENT, PayMode="WX",
        PayAmount=lock.findtext("TotalFee"), PayTime="20260302070000", MchOrderNo=order, BankTradeNo=f"B{order}",
    )
    became = ask(service, "H506", TransSeq=seq)
    assert became.findtext("Status") == "S" and became.findtext("RegNo") == confirmed.findtext("RegNo")
    ask(service, "H306", RegNo=confirmed.findtext("RegNo"), Mode="DO", Reason="<改期> & \"退号\"")
    return len(sessions)


client = zeep.Client(f"http://{ADDRESS}/HisService/Invoke.asmx?wsdl")
for port in ("HisServiceSoap", "HisServiceSoap12"):
    count = books(client.bind("HisService", port))
    print(f"{port}: {count} sessions read, one number booked and given back")
