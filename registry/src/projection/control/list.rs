//! The one list of open cases, those due first, a page at a time.

use std::collections::BTreeMap;

use letopis_ledger::id::AgencyId;
use letopis_ledger::{LeafIndex, StreamVersion, Timestamp};
use rusqlite::{Row, params};

use super::Stage;
use crate::code::{ChannelCode, ServiceCode, StepCode, UnitCode};
use crate::event::{CaseId, OfficialId};
use crate::projection::row::{number, optional_number, parsed, time};
use crate::projection::{ProjectionError, ReadModel, Reflected};
use crate::statistics::{Officials, PathToEnd, Throughput};

/// An open case of any agency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlRow {
    /// The case.
    pub case: CaseId,
    /// Its number.
    pub number: String,
    /// The agency that owns it.
    pub agency: AgencyId,
    /// The service.
    pub service: ServiceCode,
    /// How it came.
    pub channel: ChannelCode,
    /// When its term began.
    pub registered_at: Timestamp,
    /// The end of its term.
    pub due: Timestamp,
    /// Whether a calendar not yet published may move it.
    pub provisional: bool,
    /// What it waits for.
    pub stage: Stage,
    /// Since when.
    pub stage_since: Timestamp,
    /// When its clock stopped, if it stands still.
    pub suspended_at: Option<Timestamp>,
    /// Last instant at which it may stand still.
    pub suspended_until: Option<Timestamp>,
    /// Whether the warning before the end of the term is on record.
    pub warned: bool,
    /// The end of the term that is on record as broken.
    pub breached: Option<Timestamp>,
    /// The end of the term of the stage of proposal or agreement that it is at, where it has one.
    pub stage_due: Option<Timestamp>,
    /// Whether it is on record that this has passed.
    pub stage_breached: bool,
    /// The unit that works on it.
    pub unit: Option<UnitCode>,
    /// Who works on it.
    pub official: Option<OfficialId>,
    /// The proposal that waits for agreement.
    pub proposal: Option<StreamVersion>,
    /// Requests without an answer.
    pub open_requests: Vec<OpenRequest>,
    /// The last leaf that changed the row.
    pub leaf: LeafIndex,
}

/// A request without an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRequest {
    /// The request.
    pub request: StepCode,
    /// Whether the decision waits for it.
    pub mandatory: bool,
    /// Last instant at which an answer is in time.
    pub due: Timestamp,
    /// Whether it is on record that this has passed.
    pub breached: bool,
}

/// Which open cases.
#[derive(Debug, Clone, Default)]
pub struct ControlQuery {
    /// Of this agency.
    pub agency: Option<AgencyId>,
    /// Of this service.
    pub service: Option<ServiceCode>,
    /// In this stage.
    pub stage: Option<Stage>,
    /// That this official works on.
    pub official: Option<OfficialId>,
    /// After the case of this end and id: the last one of the page before.
    pub after: Option<(Timestamp, CaseId)>,
    /// Most of them.
    pub most: u32,
}

const OPEN: &str = "
    SELECT c.*, s.stage, s.entered_ms,
        (SELECT json_group_array(json_array(request, mandatory, due_ms, breached)) FROM
            (SELECT request, mandatory, due_ms, breached FROM request AS r
             WHERE r.case_id = c.case_id
             AND r.outcome IS NULL ORDER BY mandatory DESC, request)) AS open_requests
    FROM case_control AS c JOIN case_stage AS s ON s.case_id = c.case_id AND s.leaf =
        (SELECT max(leaf) FROM case_stage AS l WHERE l.case_id = c.case_id)
    WHERE c.open = 1 AND c.due_ms IS NOT NULL AND (c.due_ms, c.case_id) > (?1, ?2)
        AND (?3 IS NULL OR c.author = ?3) AND (?4 IS NULL OR c.service = ?4)
        AND (?5 IS NULL OR s.stage = ?5) AND (?6 IS NULL OR c.official = ?6)
    ORDER BY c.due_ms, c.case_id LIMIT ?7";

impl ReadModel {
    /// Open cases of all agencies, those due first.
    ///
    /// # Errors
    /// The database failed.
    pub fn control(
        &self,
        query: &ControlQuery,
    ) -> Result<Reflected<Vec<ControlRow>>, ProjectionError> {
        let (due_ms, case) = match query.after {
            None => (i64::MIN, String::new()),
            Some((due, case)) => (due.unix_ms(), case.to_string()),
        };
        self.query(|connection| {
            let mut select = connection.prepare_cached(OPEN)?;
            let parameters = params![
                due_ms,
                case,
                query.agency.as_ref().map(AgencyId::as_str),
                query.service.as_ref().map(ServiceCode::as_str),
                query.stage.map(Stage::as_str),
                query.official.map(|official| official.to_string()),
                query.most,
            ];
            let rows = select.query_map(parameters, read)?;
            rows.collect()
        })
    }

    /// How many cases each official has open, and has brought to an end since an instant.
    ///
    /// # Errors
    /// The database failed.
    pub fn throughput(&self, since: Timestamp) -> Result<Reflected<Officials>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT c.official, count(*) FILTER (WHERE c.open = 1) AS open,
                    count(*) FILTER (WHERE f.status IN ('granted', 'refused')
                                     AND f.ended_ms >= ?1) AS ended
                 FROM case_control AS c JOIN case_file AS f USING (case_id)
                 WHERE c.official IS NOT NULL GROUP BY c.official",
            )?;
            let rows = select.query_map([since.unix_ms()], |row| {
                let work = Throughput { open: number(row, "open")?, ended: number(row, "ended")? };
                Ok((parsed(row, "official", OfficialId::parse)?, work))
            })?;
            rows.collect::<Result<BTreeMap<_, _>, _>>()
        })
    }

    /// The ways of finished cases from each stage that they passed to their end, for cases that
    /// ended since an instant with a result or a refusal.
    ///
    /// # Errors
    /// The database failed.
    pub fn paths_to_end(
        &self,
        since: Timestamp,
    ) -> Result<Reflected<Vec<PathToEnd>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT f.service, s.stage, max(s.entered_ms) AS entered_ms, f.ended_ms
                 FROM case_file AS f JOIN case_stage AS s USING (case_id)
                 WHERE f.status IN ('granted', 'refused') AND f.ended_ms >= ?1
                 GROUP BY f.case_id, s.stage ORDER BY f.case_id, s.stage",
            )?;
            let rows = select.query_map([since.unix_ms()], |row| {
                Ok(PathToEnd {
                    service: parsed(row, "service", ServiceCode::parse)?,
                    stage: row.get("stage")?,
                    entered_at: time(row, "entered_ms")?,
                    ended_at: time(row, "ended_ms")?,
                })
            })?;
            rows.collect()
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<ControlRow> {
    let optional_time = |column| match row.get::<_, Option<i64>>(column)? {
        None => Ok(None),
        Some(_) => time(row, column).map(Some),
    };
    let unit = match row.get::<_, Option<String>>("unit")? {
        None => None,
        Some(_) => Some(parsed(row, "unit", UnitCode::parse)?),
    };
    let official = match row.get::<_, Option<String>>("official")? {
        None => None,
        Some(_) => Some(parsed(row, "official", OfficialId::parse)?),
    };
    let requests: Vec<(String, u8, i64, u8)> =
        parsed(row, "open_requests", |text| serde_json::from_str(text))?;
    let open = |(code, mandatory, due_ms, breached): &(String, u8, i64, u8)| {
        Some(OpenRequest {
            request: StepCode::parse(code).ok()?,
            mandatory: *mandatory == 1,
            due: Timestamp::from_unix_ms(*due_ms).ok()?,
            breached: *breached == 1,
        })
    };
    Ok(ControlRow {
        case: parsed(row, "case_id", CaseId::parse)?,
        number: row.get("number")?,
        agency: parsed(row, "author", AgencyId::parse)?,
        service: parsed(row, "service", ServiceCode::parse)?,
        channel: parsed(row, "channel", ChannelCode::parse)?,
        registered_at: time(row, "registered_ms")?,
        due: time(row, "due_ms")?,
        provisional: row.get("provisional")?,
        stage: Stage::parse(row.get_ref("stage")?.as_str()?).unwrap_or(Stage::Decision),
        stage_since: time(row, "entered_ms")?,
        suspended_at: optional_time("suspended_ms")?,
        suspended_until: optional_time("suspended_until_ms")?,
        warned: row.get("warned")?,
        breached: optional_time("breached_ms")?,
        unit,
        official,
        proposal: optional_number(row, "proposal")?.map(StreamVersion::new),
        stage_due: optional_time("stage_due_ms")?,
        stage_breached: row.get("stage_breached")?,
        open_requests: requests.iter().filter_map(open).collect(),
        leaf: LeafIndex::new(number(row, "leaf")?),
    })
}
