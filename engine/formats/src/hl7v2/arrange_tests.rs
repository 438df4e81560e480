//! Tests of the places that segments get, by the structures of the table.

use super::super::structure;
use super::*;

/// `ORU^R01` and `MSH PID OBR OBX` become `MSH PATIENT_RESULT(PATIENT(PID) ...)`.
fn arranged(kind: &str, version: &str, segments: &str) -> String {
    let (code, trigger) = kind.split_once('^').unwrap();
    let structure = structure::of(code, trigger, "");
    let names: Vec<&str> = segments.split(' ').collect();
    let tags = names.iter().map(|name| name.as_bytes().try_into().unwrap());
    let steps = arrange(tags, structure, Version::of(version));
    let mut text = String::new();
    for step in &steps[1..steps.len() - 1] {
        let space = if text.is_empty() || text.ends_with('(') { "" } else { " " };
        match step {
            Step::Open { group } => text += &format!("{space}{}(", structure.groups[*group].name),
            Step::Segment(at) => text += &format!("{space}{}", names[*at]),
            Step::Close => text.push(')'),
        }
    }
    text
}

#[test]
fn a_regular_result_is_grouped() {
    assert_eq!(
        arranged("ORU^R01", "2.5.1", "MSH PID NTE PV1 ORC OBR NTE TQ1 OBX NTE OBX SPM OBX ORC OBR OBX"),
        "MSH PATIENT_RESULT(PATIENT(PID NTE VISIT(PV1)) \
         ORDER_OBSERVATION(ORC OBR NTE TIMING_QTY(TQ1) OBSERVATION(OBX NTE) OBSERVATION(OBX) SPECIMEN(SPM OBX)) \
         ORDER_OBSERVATION(ORC OBR OBSERVATION(OBX)))"
    );
}

#[test]
fn missing_parts_leave_the_rest_in_its_groups() {
    assert_eq!(
        arranged("ORU^R01", "2.3", "MSH OBR OBX OBX OBR OBX"),
        "MSH PATIENT_RESULT(ORDER_OBSERVATION(OBR OBSERVATION(OBX) OBSERVATION(OBX)) \
         ORDER_OBSERVATION(OBR OBSERVATION(OBX)))"
    );
    assert_eq!(
        arranged("ORU^R01", "2.5", "MSH PID OBX NTE OBX"),
        "MSH PATIENT_RESULT(PATIENT(PID) ORDER_OBSERVATION(OBSERVATION(OBX NTE) OBSERVATION(OBX)))"
    );
    assert_eq!(
        arranged("ORU^R01", "2.8", "MSH PID OBX OBR OBX"),
        "MSH PATIENT_RESULT(PATIENT(PID PATIENT_OBSERVATION(OBX)) ORDER_OBSERVATION(OBR OBSERVATION(OBX)))"
    );
}

#[test]
fn two_patients_are_two_results() {
    assert_eq!(
        arranged("ORU^R01", "2.5", "MSH PID OBR OBX PID OBR"),
        "MSH PATIENT_RESULT(PATIENT(PID) ORDER_OBSERVATION(OBR OBSERVATION(OBX))) \
         PATIENT_RESULT(PATIENT(PID) ORDER_OBSERVATION(OBR))"
    );
}

#[test]
fn segments_out_of_order_go_to_the_nearest_group_that_knows_them() {
    assert_eq!(
        arranged("ORU^R01", "2.5", "MSH PID PV1 PD1 OBR OBX PV1 ZDS OBX"),
        "MSH PATIENT_RESULT(PATIENT(PID VISIT(PV1 PV1 ZDS) PD1) \
         ORDER_OBSERVATION(OBR OBSERVATION(OBX) OBSERVATION(OBX)))"
    );
    assert_eq!(
        arranged("ADT^A01", "2.5", "MSH PV1 PID IN1 GT1 IN2 IN1 OBX"),
        "MSH PV1 PID INSURANCE(IN1 IN2) GT1 INSURANCE(IN1) OBX"
    );
}

#[test]
fn a_late_opening_segment_joins_its_group() {
    assert_eq!(
        arranged("ORU^R01", "2.5", "MSH NTE PID OBR"),
        "MSH PATIENT_RESULT(PATIENT(NTE PID) ORDER_OBSERVATION(OBR))"
    );
    assert_eq!(
        arranged("ORU^R01", "2.5", "MSH PV1 PID OBR"),
        "MSH PATIENT_RESULT(PATIENT(VISIT(PV1) PID) ORDER_OBSERVATION(OBR))"
    );
    assert_eq!(
        arranged("ORU^R01", "2.5", "MSH OBX OBR OBX"), // whose the first OBX is, nobody knows
        "MSH PATIENT_RESULT(ORDER_OBSERVATION(OBSERVATION(OBX)) ORDER_OBSERVATION(OBR OBSERVATION(OBX)))"
    );
}

#[test]
fn segments_that_nobody_knows_stay_where_they_came() {
    assert_eq!(
        arranged("ORU^R01", "2.5", "MSH PID ZPI OBR OBX ZBX OBX"),
        "MSH PATIENT_RESULT(PATIENT(PID ZPI) ORDER_OBSERVATION(OBR OBSERVATION(OBX ZBX) OBSERVATION(OBX)))"
    );
}

#[test]
fn admissions_and_merges_have_their_groups() {
    assert_eq!(
        arranged("ADT^A01", "2.5", "MSH EVN PID NK1 NK1 PV1 AL1 DG1 PR1 ROL PR1 GT1 IN1 IN2 IN1 ACC"),
        "MSH EVN PID NK1 NK1 PV1 AL1 DG1 PROCEDURE(PR1 ROL) PROCEDURE(PR1) GT1 INSURANCE(IN1 IN2) INSURANCE(IN1) ACC"
    );
    assert_eq!(
        arranged("ADT^A40", "2.5", "MSH EVN PID MRG PID PD1 MRG PV1"),
        "MSH EVN PATIENT(PID MRG) PATIENT(PID PD1 MRG PV1)"
    );
}

#[test]
fn orders_and_results_have_their_groups() {
    assert_eq!(
        arranged("ORM^O01", "2.3", "MSH PID PV1 IN1 ORC OBR NTE DG1 OBX NTE ORC RXO OBX ORC OBR OBX OBR OBX"),
        "MSH PATIENT(PID PATIENT_VISIT(PV1) INSURANCE(IN1)) \
         ORDER(ORC ORDER_DETAIL(OBR NTE DG1 OBSERVATION(OBX NTE))) ORDER(ORC ORDER_DETAIL(RXO OBSERVATION(OBX))) \
         ORDER(ORC ORDER_DETAIL(OBR OBSERVATION(OBX)) ORDER_DETAIL(OBR OBSERVATION(OBX)))"
    );
    assert_eq!(
        arranged("OML^O21", "2.5.1", "MSH PID PV1 ORC TQ1 OBR OBX SPM SAC ORC OBR OBX OBR"),
        "MSH PATIENT(PID PATIENT_VISIT(PV1)) \
         ORDER(ORC TIMING(TQ1) OBSERVATION_REQUEST(OBR OBSERVATION(OBX) SPECIMEN(SPM CONTAINER(SAC)))) \
         ORDER(ORC OBSERVATION_REQUEST(OBR OBSERVATION(OBX)) OBSERVATION_REQUEST(OBR))"
    );
    assert_eq!(
        arranged("OML^O33", "2.5", "MSH PID SPM SAC ORC OBR ORC OBR SPM ORC OBR"),
        "MSH PATIENT(PID) SPECIMEN(SPM SAC ORDER(ORC OBSERVATION_REQUEST(OBR)) ORDER(ORC OBSERVATION_REQUEST(OBR))) \
         SPECIMEN(SPM ORDER(ORC OBSERVATION_REQUEST(OBR)))"
    );
    assert_eq!(
        arranged(
            "OUL^R22",
            "2.5",
            "MSH PID SPM OBX SAC OBR ORC NTE OBX NTE OBR ORC OBX SPM ORC OBR OBX ORC OBR OBX"
        ),
        "MSH PATIENT(PID) SPECIMEN(SPM OBX CONTAINER(SAC) ORDER(OBR ORC NTE RESULT(OBX NTE)) ORDER(OBR ORC RESULT(OBX))) \
         SPECIMEN(SPM ORDER(ORC OBR RESULT(OBX)) ORDER(ORC OBR RESULT(OBX)))"
    );
    assert_eq!(
        arranged("ORL^O22", "2.5", "MSH MSA PID ORC OBR SPM ORC OBR"),
        "MSH MSA RESPONSE(PATIENT(PID ORDER(ORC OBSERVATION_REQUEST(OBR SPECIMEN(SPM))) ORDER(ORC OBSERVATION_REQUEST(OBR))))"
    );
}

#[test]
fn only_a_patient_opens_prior_results() {
    assert_eq!(
        arranged("OMG^O19", "2.5", "MSH PID ORC OBR OBX ORC OBR OBX OBR"),
        "MSH PATIENT(PID) ORDER(ORC OBR OBSERVATION(OBX)) ORDER(ORC OBR OBSERVATION(OBX)) ORDER(OBR)"
    );
    assert_eq!(
        arranged("OMG^O19", "2.5", "MSH PID ORC OBR OBX PID PV1 ORC OBR OBX"),
        "MSH PATIENT(PID) ORDER(ORC OBR OBSERVATION(OBX) \
         PRIOR_RESULT(PATIENT_PRIOR(PID) PATIENT_VISIT_PRIOR(PV1) ORDER_PRIOR(ORC OBR OBSERVATION_PRIOR(OBX))))"
    );
}

#[test]
fn prescriptions_have_their_groups() {
    assert_eq!(
        arranged("RDE^O11", "2.5", "MSH PID AL1 PV1 ORC TQ1 RXO RXR RXC RXE TQ1 RXR RXC RXC OBX ORC RXE RXR"),
        "MSH PATIENT(PID AL1 PATIENT_VISIT(PV1)) \
         ORDER(ORC TIMING(TQ1) ORDER_DETAIL(RXO RXR COMPONENT(RXC)) RXE TIMING_ENCODED(TQ1) RXR RXC RXC OBSERVATION(OBX)) \
         ORDER(ORC RXE RXR)"
    );
    assert_eq!(
        arranged("OMP^O09", "2.5", "MSH PID ORC TQ1 RXO NTE RXR RXC RXC OBX ORC RXO RXO"),
        "MSH PATIENT(PID) ORDER(ORC TIMING(TQ1) RXO NTE RXR COMPONENT(RXC) COMPONENT(RXC) OBSERVATION(OBX)) ORDER(ORC RXO) ORDER(RXO)"
    );
    assert_eq!(
        arranged("RDS^O13", "2.5", "MSH PID ORC RXO NTE RXE TQ1 RXR RXD RXR RXC OBX ORC RXD"),
        "MSH PATIENT(PID) ORDER(ORC ORDER_DETAIL(RXO ORDER_DETAIL_SUPPLEMENT(NTE)) ENCODING(RXE TIMING_ENCODED(TQ1) RXR) \
         RXD RXR RXC OBSERVATION(OBX)) ORDER(ORC RXD)"
    );
    assert_eq!(
        arranged("RAS^O17", "2.5", "MSH PID ORC RXE RXR RXA RXR OBX RXA RXR"),
        "MSH PATIENT(PID) ORDER(ORC ENCODING(RXE RXR) ADMINISTRATION(RXA RXR OBSERVATION(OBX)) ADMINISTRATION(RXA RXR))"
    );
    assert_eq!(
        arranged("VXU^V04", "2.5.1", "MSH PID NK1 ORC RXA RXR OBX OBX ORC RXA OBX"),
        "MSH PID NK1 ORDER(ORC RXA RXR OBSERVATION(OBX) OBSERVATION(OBX)) ORDER(ORC RXA OBSERVATION(OBX))"
    );
}

#[test]
fn charges_documents_appointments_and_referrals_have_their_groups() {
    assert_eq!(
        arranged("DFT^P03", "2.5", "MSH EVN PID PV1 FT1 NTE PR1 FT1 DG1 GT1 IN1 IN2 IN1 ACC"),
        "MSH EVN PID PV1 FINANCIAL(FT1 NTE FINANCIAL_PROCEDURE(PR1)) FINANCIAL(FT1) DG1 GT1 \
         INSURANCE(IN1 IN2) INSURANCE(IN1) ACC"
    );
    assert_eq!(
        arranged("DFT^P11", "2.5", "MSH EVN PID PV1 DG1 IN1 FT1 PR1 DG1 IN1 FT1"),
        "MSH EVN PID PV1 DG1 INSURANCE(IN1) FINANCIAL(FT1 FINANCIAL_PROCEDURE(PR1) DG1 FINANCIAL_INSURANCE(IN1)) FINANCIAL(FT1)"
    );
    assert_eq!(
        arranged("BAR^P01", "2.3", "MSH EVN PID PV1 DG1 PR1 GT1 IN1 PV1 DG1"),
        "MSH EVN PID VISIT(PV1 DG1 PROCEDURE(PR1) GT1 INSURANCE(IN1)) VISIT(PV1 DG1)"
    );
    assert_eq!(
        arranged("MDM^T01", "2.5", "MSH EVN PID PV1 ORC OBR NTE TXA CON"),
        "MSH EVN PID PV1 COMMON_ORDER(ORC OBR NTE) TXA CON"
    );
    assert_eq!(
        arranged("SRM^S01", "2.5", "MSH ARQ NTE PID PV1 RGS AIS APR NTE AIP AIL"),
        "MSH ARQ NTE PATIENT(PID PV1) RESOURCES(RGS SERVICE(AIS APR NTE) PERSONNEL_RESOURCE(AIP) LOCATION_RESOURCE(AIL))"
    );
    assert_eq!(
        arranged(
            "REF^I12",
            "2.5",
            "MSH RF1 AUT PRD CTD PRD PID NK1 IN1 DG1 PR1 AUT OBR NTE OBX NTE OBX PV1 NTE"
        ),
        "MSH RF1 AUTHORIZATION_CONTACT(AUT) PROVIDER_CONTACT(PRD CTD) PROVIDER_CONTACT(PRD) PID NK1 INSURANCE(IN1) DG1 \
         PROCEDURE(PR1 AUTHORIZATION_CONTACT(AUT)) OBSERVATION(OBR NTE RESULTS_NOTES(OBX NTE) RESULTS_NOTES(OBX)) PATIENT_VISIT(PV1) NTE"
    );
}

#[test]
fn queries_master_files_and_problems_have_their_groups() {
    assert_eq!(
        arranged("RSP^K22", "2.5", "MSH MSA QAK QPD PID PD1 QRI PID QRI DSC"),
        "MSH MSA QAK QPD QUERY_RESPONSE(PID PD1 QRI) QUERY_RESPONSE(PID QRI) DSC"
    );
    assert_eq!(
        arranged("RSP^K11", "2.5", "MSH MSA QAK QPD RDF RDT RDT"),
        "MSH MSA QAK QPD ROW_DEFINITION(RDF RDT RDT)"
    );
    assert_eq!(
        arranged("MFN^M02", "2.5", "MSH MFI MFE STF PRA MFE STF"),
        "MSH MFI MF_STAFF(MFE STF PRA) MF_STAFF(MFE STF)"
    );
    assert_eq!(
        arranged("MFN^M05", "2.5", "MSH MFI MFE LOC LCH LDP LCC LDP MFE LOC"),
        "MSH MFI MF_LOCATION(MFE LOC LCH MF_LOC_DEPT(LDP LCC) MF_LOC_DEPT(LDP)) MF_LOCATION(MFE LOC)"
    );
    assert_eq!(arranged("MFN^M01", "2.5", "MSH MFI MFE ZDP MFE ZDP"), "MSH MFI MF(MFE ZDP) MF(MFE ZDP)");
    assert_eq!(
        arranged("PPR^PC1", "2.5", "MSH PID PV1 PRB NTE ROL OBX GOL ROL OBX ORC OBR OBX PRB"),
        "MSH PID PATIENT_VISIT(PV1) PROBLEM(PRB NTE PROBLEM_ROLE(ROL) PROBLEM_OBSERVATION(OBX) \
         GOAL(GOL GOAL_ROLE(ROL) GOAL_OBSERVATION(OBX)) ORDER(ORC ORDER_DETAIL(OBR ORDER_OBSERVATION(OBX)))) PROBLEM(PRB)"
    );
    assert_eq!(
        arranged("PEX^P07", "2.5", "MSH EVN PID PES PEO PCR RXE RXR RXA PRB OBX NK1 RXE OBX CSR"),
        "MSH EVN PID EXPERIENCE(PES PEX_OBSERVATION(PEO PEX_CAUSE(PCR RX_ORDER(RXE RXR) RX_ADMINISTRATION(RXA) PRB OBX \
         ASSOCIATED_PERSON(NK1 ASSOCIATED_RX_ORDER(RXE) OBX) STUDY(CSR))))"
    );
    assert_eq!(
        arranged("ADR^A19", "2.4", "MSH MSA QRD EVN PID PV1 EVN PID PID"),
        "MSH MSA QRD QUERY_RESPONSE(EVN PID PV1) QUERY_RESPONSE(EVN PID) QUERY_RESPONSE(PID)"
    );
}
