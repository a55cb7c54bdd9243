// Package track remembers what was made, by which run, from what: the memory of a model's life.
//
//	store.Start(stage, name, params, inputs…) ─▶ Run ── Log(step, metrics) ── File(kind, path) ─▶ Artefact
//	                                                └── Finish
//	store.Explain(hash) ─▶ the chain of artefacts and runs back to the first documents, with excerpts where they are given
//	store.Compare(a, b) ─▶ parameters that differ, metrics side by side, curves
//	store.Card(title, sources) ─▶ one HTML page: machine, versions, stages, metrics, time, artefacts, lines of code
//
// An artefact (corpus, tokenizer, shards, checkpoint, quantised model, score) is known by the SHA-256 of its content: made twice the
// same, it is one artefact with two makers. Everything lies in one SQLite file that several processes may share.
//
// Invariant: an artefact's hash is computed from the bytes on disk when it is noted, never taken on trust; [Store.Verify] computes it
// again. Invariant: a run that a crash cut off stays in the file as running, with the metrics that it had logged.
//
// Deliberately absent: copies of artefacts, which stay where they were made; any server; any stage of the library (stages may import
// track, track imports none).
package track

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Store is a file of runs and artefacts. Goroutines may share it.
type Store struct {
	db   *sql.DB
	path string
}

const schema = `
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS runs (id INTEGER PRIMARY KEY, stage TEXT NOT NULL, name TEXT NOT NULL, params TEXT NOT NULL,
	machine TEXT NOT NULL, started INTEGER NOT NULL, ended INTEGER, status TEXT NOT NULL, error TEXT NOT NULL DEFAULT '',
	peak INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS artefacts (hash TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, path TEXT NOT NULL,
	bytes INTEGER NOT NULL, made INTEGER NOT NULL, meta TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS made (run INTEGER NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (run, hash)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS used (run INTEGER NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (run, hash)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS metrics (run INTEGER NOT NULL, name TEXT NOT NULL, step INTEGER NOT NULL, value REAL NOT NULL,
	PRIMARY KEY (run, name, step)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS made_by_hash ON made (hash);`

// Open opens a store, or makes it. "" is one in memory, gone with Close.
func Open(path string) (*Store, error) {
	name := ":memory:"
	if path != "" {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, fmt.Errorf("track: %w", err)
		}
		name = "file:" + path + "?_pragma=busy_timeout(5000)&_pragma=synchronous(normal)"
	}
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, fmt.Errorf("track: %w", err)
	}
	db.SetMaxOpenConns(1) // a store in memory is its connection's; a file has one writer anyway
	if _, err := db.Exec(schema); err != nil {
		db.Close()
		return nil, fmt.Errorf("track: %s is no store of runs: %w", path, err)
	}
	return &Store{db, path}, nil
}

// Close closes the file. Runs that are not finished stay running.
func (s *Store) Close() error { return s.db.Close() }

// Status of a run.
const (
	Running = "running"
	Done    = "done"
	Failed  = "failed"
)

// Run is one execution of a stage. The fields are as of Start or of the query that found it. Its methods may be called together.
type Run struct {
	ID      int64
	Stage   string // "corpus", "tokenizer", "train", "quantize", "evaluate" …
	Name    string
	Params  map[string]any
	Machine Machine
	Started time.Time
	Ended   time.Time // zero while it runs
	Status  string
	Error   string
	Peak    int64 // bytes of memory that the process held at most by the end, 0 where unknown

	store *Store
}

// Wall is how long the run took, or has taken so far.
func (r *Run) Wall() time.Duration {
	if r.Ended.IsZero() {
		return time.Since(r.Started)
	}
	return r.Ended.Sub(r.Started)
}

// Start begins a run. params is a struct or map that JSON can write; inputs are the artefacts that the run reads.
func (s *Store) Start(stage, name string, params any, inputs ...Artefact) (*Run, error) {
	if stage == "" {
		return nil, errors.New("track: a run needs the name of its stage")
	}
	if params == nil {
		params = map[string]any{}
	}
	p, err := json.Marshal(params)
	if err != nil {
		return nil, fmt.Errorf("track: parameters of %s %s: %w", stage, name, err)
	}
	r := &Run{Stage: stage, Name: name, Machine: ThisMachine(), Started: time.Now(), Status: Running, store: s}
	if err := json.Unmarshal(p, &r.Params); err != nil {
		return nil, fmt.Errorf("track: parameters of %s %s must be a struct or a map: %w", stage, name, err)
	}
	m, err := json.Marshal(r.Machine)
	if err != nil {
		return nil, fmt.Errorf("track: %w", err)
	}
	res, err := s.db.Exec(`INSERT INTO runs (stage, name, params, machine, started, status) VALUES (?, ?, ?, ?, ?, ?)`,
		stage, name, string(p), string(m), r.Started.UnixNano(), Running)
	if err != nil {
		return nil, fmt.Errorf("track: %w", err)
	}
	if r.ID, err = res.LastInsertId(); err != nil {
		return nil, fmt.Errorf("track: %w", err)
	}
	return r, r.Use(inputs...)
}

// Use notes that the run reads artefacts.
func (r *Run) Use(inputs ...Artefact) error {
	for _, a := range inputs {
		if _, err := r.store.Artefact(a.Hash); err != nil {
			return err
		}
		if _, err := r.store.db.Exec(`INSERT OR IGNORE INTO used (run, hash) VALUES (?, ?)`, r.ID, a.Hash); err != nil {
			return fmt.Errorf("track: %w", err)
		}
	}
	return nil
}

// Log keeps the values of metrics at a step. A step that is logged again takes the new values, as after a roll-back.
func (r *Run) Log(step int64, metrics map[string]float64) error {
	tx, err := r.store.db.Begin()
	if err != nil {
		return fmt.Errorf("track: %w", err)
	}
	defer tx.Rollback()
	for name, v := range metrics {
		if _, err := tx.Exec(`INSERT OR REPLACE INTO metrics (run, name, step, value) VALUES (?, ?, ?, ?)`, r.ID, name, step, column(v)); err != nil {
			return fmt.Errorf("track: metric %s at step %d: %w", name, step, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("track: %w", err)
	}
	return nil
}

// Finish ends the run: failed, if failure is not nil.
func (r *Run) Finish(failure error) error {
	r.Ended, r.Status, r.Peak = time.Now(), Done, peakMemory()
	if failure != nil {
		r.Status, r.Error = Failed, failure.Error()
	}
	if _, err := r.store.db.Exec(`UPDATE runs SET ended = ?, status = ?, error = ?, peak = ? WHERE id = ?`,
		r.Ended.UnixNano(), r.Status, r.Error, r.Peak, r.ID); err != nil {
		return fmt.Errorf("track: %w", err)
	}
	return nil
}
