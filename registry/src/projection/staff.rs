//! Officials and who works on which case. Names are not here: the private store has them.
//!
//! An official's row holds the newest appointment; only events by the agency itself count.

use jiff::civil::Date;
use letopis_ledger::key::AuthorKey;
use letopis_ledger::{LeafIndex, StreamVersion};
use rusqlite::{OptionalExtension, params};

use super::row::{list_text, number, parsed, to_sql};
use super::{Fold, Place, Projection, ProjectionError, ReadModel, Reflected};
use crate::code::{ServiceCode, UnitCode};
use crate::event::{CaseEvent, CaseId, DomainEvent, HeldPost, OfficialId, StaffEvent};
use crate::pack::Role;
use crate::staff::Official;

pub(super) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE official (
            official TEXT PRIMARY KEY, skills TEXT NOT NULL, key TEXT, leaf INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE post (
            official TEXT NOT NULL, unit TEXT NOT NULL, role TEXT NOT NULL,
            PRIMARY KEY (official, unit, role)
        ) WITHOUT ROWID;
        CREATE TABLE absence (
            official TEXT NOT NULL, first_day TEXT NOT NULL, last_day TEXT NOT NULL,
            PRIMARY KEY (official, first_day, last_day)
        ) WITHOUT ROWID;
        CREATE TABLE assignment (
            case_id TEXT PRIMARY KEY, unit TEXT NOT NULL, official TEXT NOT NULL,
            by_hand INTEGER NOT NULL, times INTEGER NOT NULL, leaf INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE INDEX assignment_official ON assignment (official);
        CREATE TABLE proposal (
            case_id TEXT PRIMARY KEY, version INTEGER NOT NULL, official TEXT NOT NULL,
            outcome TEXT NOT NULL, agreed INTEGER NOT NULL, state TEXT NOT NULL,
            returns INTEGER NOT NULL, leaf INTEGER NOT NULL
        ) WITHOUT ROWID;
    ",
    content: &[
        ("official", "official"),
        ("post", "official, unit, role"),
        ("absence", "official, first_day, last_day"),
        ("assignment", "case_id"),
        ("proposal", "case_id"),
    ],
    fold,
};

/// Who works on a case, and how far its decision has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkRow {
    /// The case.
    pub case: CaseId,
    /// The unit.
    pub unit: UnitCode,
    /// Who works on it.
    pub official: OfficialId,
    /// Whether somebody chose, and not the rule.
    pub by_hand: bool,
    /// The leaf that says so.
    pub leaf: LeafIndex,
    /// The newest proposal: its number in the stream, `waiting`, `returned` or `decided`.
    pub proposal: Option<(StreamVersion, String)>,
}

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    if place.author.as_str() != fold.model.owner() {
        return Ok(());
    }
    match event {
        DomainEvent::Staff(event) => staff(fold, place, event),
        DomainEvent::Case(event) => work(fold, place, event),
        _ => Ok(()),
    }
}

fn staff(fold: &Fold<'_>, place: &Place<'_>, event: &StaffEvent) -> Result<(), ProjectionError> {
    let Ok(official) = OfficialId::of_stream(&place.event.stream) else { return Ok(()) };
    let (official, leaf) = (official.to_string(), to_sql(place.leaf.get()));
    let no_posts =
        |fold: &Fold<'_>| fold.run("DELETE FROM post WHERE official = ?1", params![official]);
    match event {
        StaffEvent::Appointed(appointed) => {
            fold.run(
                "INSERT INTO official (official, skills, key, leaf) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (official) DO UPDATE SET skills = ?2, key = ?3, leaf = ?4",
                params![official, list_text(&appointed.skills), appointed.key.to_base64(), leaf],
            )?;
            no_posts(fold)?;
            for HeldPost { unit, role } in &appointed.posts {
                fold.run(
                    "INSERT OR IGNORE INTO post (official, unit, role) VALUES (?1, ?2, ?3)",
                    params![official, unit.as_str(), role.as_str()],
                )?;
            }
            Ok(())
        }
        StaffEvent::Absent { from, until } => fold.run(
            "INSERT OR IGNORE INTO absence (official, first_day, last_day) VALUES (?1, ?2, ?3)",
            params![official, from.to_string(), until.to_string()],
        ),
        StaffEvent::Dismissed => {
            fold.run(
                "UPDATE official SET key = NULL, leaf = ?2 WHERE official = ?1",
                params![official, leaf],
            )?;
            no_posts(fold)
        }
    }
}

fn work(fold: &Fold<'_>, place: &Place<'_>, event: &CaseEvent) -> Result<(), ProjectionError> {
    let Ok(case) = CaseId::of_stream(&place.event.stream) else { return Ok(()) };
    let (case, leaf) = (case.to_string(), to_sql(place.leaf.get()));
    let settle = |fold: &Fold<'_>, state: &str, returns: i64| {
        fold.run(
            "UPDATE proposal SET state = ?2, returns = returns + ?3, leaf = ?4 WHERE case_id = ?1",
            params![case, state, returns, leaf],
        )
    };
    match event {
        CaseEvent::Assigned(assigned) => fold.run(
            "INSERT INTO assignment (case_id, unit, official, by_hand, times, leaf)
             VALUES (?1, ?2, ?3, ?4, 1, ?5) ON CONFLICT (case_id) DO UPDATE SET
             unit = ?2, official = ?3, by_hand = ?4, times = times + 1, leaf = ?5",
            params![
                case,
                assigned.unit.as_str(),
                assigned.official.to_string(),
                assigned.by.is_some(),
                leaf
            ],
        ),
        CaseEvent::Proposed(proposed) => fold.run(
            "INSERT INTO proposal
             (case_id, version, official, outcome, agreed, state, returns, leaf)
             VALUES (?1, ?2, ?3, ?4, 0, 'waiting', 0, ?5) ON CONFLICT (case_id) DO UPDATE SET
             version = ?2, official = ?3, outcome = ?4, agreed = 0, state = 'waiting', leaf = ?5",
            params![
                case,
                to_sql(place.event.version.get()),
                proposed.official.to_string(),
                proposed.decision.outcome.as_str(),
                leaf
            ],
        ),
        CaseEvent::Agreed(_) => fold.run(
            "UPDATE proposal SET agreed = agreed + 1, leaf = ?2 WHERE case_id = ?1",
            params![case, leaf],
        ),
        CaseEvent::Returned(_) => settle(fold, "returned", 1),
        CaseEvent::Decided(_) => settle(fold, "decided", 0),
        _ => Ok(()),
    }
}

impl ReadModel {
    /// An official as the log tells of it; `None` for somebody who was never appointed.
    ///
    /// # Errors
    /// The database failed.
    pub fn official(&self, id: OfficialId) -> Result<Reflected<Option<Official>>, ProjectionError> {
        self.query(|connection| official(connection, id))
    }

    /// Every official, in the order of their ids.
    ///
    /// # Errors
    /// The database failed.
    pub fn officials(&self) -> Result<Reflected<Vec<Official>>, ProjectionError> {
        self.query(|connection| {
            let mut select =
                connection.prepare_cached("SELECT official FROM official ORDER BY official")?;
            let ids = select.query_map([], |row| parsed(row, "official", OfficialId::parse))?;
            let mut officials = Vec::new();
            for id in ids {
                officials.extend(official(connection, id?)?);
            }
            Ok(officials)
        })
    }

    /// How many open cases an official works on.
    ///
    /// # Errors
    /// The database failed.
    pub fn open_cases_of(&self, id: OfficialId) -> Result<Reflected<u64>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT count(*) AS open FROM assignment JOIN case_file USING (case_id)
                 WHERE official = ?1 AND status = 'in_progress'",
            )?;
            select.query_row([id.to_string()], |row| number(row, "open"))
        })
    }

    /// How many escalated requests of open cases wait for an official.
    ///
    /// # Errors
    /// The database failed.
    pub fn open_escalations_of(&self, id: OfficialId) -> Result<Reflected<u64>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT count(*) AS open FROM request JOIN case_file USING (case_id)
                 WHERE escalated_official = ?1 AND outcome IS NULL AND status = 'in_progress'",
            )?;
            select.query_row([id.to_string()], |row| number(row, "open"))
        })
    }

    /// Who works on a case.
    ///
    /// # Errors
    /// The database failed.
    pub fn work(&self, case: CaseId) -> Result<Reflected<Option<WorkRow>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT a.case_id, a.unit, a.official, a.by_hand, a.leaf, p.version, p.state
                 FROM assignment AS a LEFT JOIN proposal AS p USING (case_id)
                 WHERE a.case_id = ?1",
            )?;
            select.query_row([case.to_string()], work_row).optional()
        })
    }

    /// Open cases with a proposal that waits for agreement, the ones due first.
    ///
    /// # Errors
    /// The database failed.
    pub fn waiting_proposals(&self, most: u32) -> Result<Reflected<Vec<WorkRow>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT a.case_id, a.unit, a.official, a.by_hand, a.leaf, p.version, p.state
                 FROM proposal AS p JOIN assignment AS a USING (case_id)
                 JOIN case_file AS c USING (case_id)
                 WHERE p.state = 'waiting' AND c.status = 'in_progress'
                 ORDER BY c.due_ms, a.case_id LIMIT ?1",
            )?;
            let rows = select.query_map([most], work_row)?;
            rows.collect()
        })
    }

    /// Open cases that an official works on, the ones due first.
    ///
    /// # Errors
    /// The database failed.
    pub fn inbox(
        &self,
        id: OfficialId,
        most: u32,
    ) -> Result<Reflected<Vec<WorkRow>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT a.case_id, a.unit, a.official, a.by_hand, a.leaf, p.version, p.state
                 FROM assignment AS a JOIN case_file AS c USING (case_id)
                 LEFT JOIN proposal AS p USING (case_id)
                 WHERE a.official = ?1 AND c.status = 'in_progress'
                 ORDER BY c.due_ms, a.case_id LIMIT ?2",
            )?;
            let rows = select.query_map(params![id.to_string(), most], work_row)?;
            rows.collect()
        })
    }
}

fn official(
    connection: &rusqlite::Connection,
    id: OfficialId,
) -> rusqlite::Result<Option<Official>> {
    let text = id.to_string();
    let mut select =
        connection.prepare_cached("SELECT skills, key FROM official WHERE official = ?1")?;
    let found = select
        .query_row([&text], |row| {
            let skills: Vec<String> = parsed(row, "skills", |text| serde_json::from_str(text))?;
            let key = match row.get::<_, Option<String>>("key")? {
                Some(_) => Some(parsed(row, "key", AuthorKey::from_base64)?),
                None => None,
            };
            Ok((skills, key))
        })
        .optional()?;
    let Some((skills, key)) = found else { return Ok(None) };
    let mut official = Official::new(id);
    official.skills = skills.iter().filter_map(|code| ServiceCode::parse(code).ok()).collect();
    official.key = key;
    let mut posts = connection.prepare_cached("SELECT unit, role FROM post WHERE official = ?1")?;
    let posts = posts.query_map([&text], |row| {
        let role: String = row.get("role")?;
        Ok((parsed(row, "unit", UnitCode::parse)?, Role::parse(&role)))
    })?;
    for post in posts {
        let (unit, role) = post?;
        official.posts.extend(role.map(|role| HeldPost { unit, role }));
    }
    let mut absences =
        connection.prepare_cached("SELECT first_day, last_day FROM absence WHERE official = ?1")?;
    let absences = absences.query_map([&text], |row| {
        let day = |column| parsed(row, column, str::parse::<Date>);
        Ok((day("first_day")?, day("last_day")?))
    })?;
    official.absences = absences.collect::<Result<_, _>>()?;
    Ok(Some(official))
}

fn work_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<WorkRow> {
    let version = super::row::optional_number(row, "version")?;
    let state: Option<String> = row.get("state")?;
    Ok(WorkRow {
        case: parsed(row, "case_id", CaseId::parse)?,
        unit: parsed(row, "unit", UnitCode::parse)?,
        official: parsed(row, "official", OfficialId::parse)?,
        by_hand: row.get("by_hand")?,
        leaf: LeafIndex::new(number(row, "leaf")?),
        proposal: version.map(StreamVersion::new).zip(state),
    })
}
