package track

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// column is a value as SQLite keeps it: NaN, which it would take for NULL, as a word.
func column(v float64) any {
	if math.IsNaN(v) {
		return "NaN"
	}
	return v
}

const runColumns = `id, stage, name, params, machine, started, coalesce(ended, 0), status, error, peak`

// Runs lists the runs, oldest first.
func (s *Store) Runs() ([]*Run, error) {
	return s.runs(`SELECT ` + runColumns + ` FROM runs ORDER BY id`)
}

// Run finds a run by its number.
func (s *Store) Run(id int64) (*Run, error) {
	list, err := s.runs(`SELECT `+runColumns+` FROM runs WHERE id = ?`, id)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("track: no run %d in %s", id, s.path)
	}
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

func (s *Store) runs(query string, args ...any) ([]*Run, error) {
	rows, err := s.db.Query(query, args...)
	if err != nil {
		return nil, fmt.Errorf("track: %w", err)
	}
	defer rows.Close()
	var list []*Run
	for rows.Next() {
		r := &Run{store: s}
		var params, machine string
		var started, ended int64
		if err := rows.Scan(&r.ID, &r.Stage, &r.Name, &params, &machine, &started, &ended, &r.Status, &r.Error, &r.Peak); err != nil {
			return nil, fmt.Errorf("track: %w", err)
		}
		if err := errors.Join(json.Unmarshal([]byte(params), &r.Params), json.Unmarshal([]byte(machine), &r.Machine)); err != nil {
			return nil, fmt.Errorf("track: run %d in %s: %w", r.ID, s.path, err)
		}
		r.Started = time.Unix(0, started)
		if ended > 0 {
			r.Ended = time.Unix(0, ended)
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

// Point is a metric's value at a step.
type Point struct {
	Step  int64
	Value float64
}

// Metrics are the curves that the run has logged, by name.
func (r *Run) Metrics() (map[string][]Point, error) {
	rows, err := r.store.db.Query(`SELECT name, step, value FROM metrics WHERE run = ? ORDER BY name, step`, r.ID)
	if err != nil {
		return nil, fmt.Errorf("track: %w", err)
	}
	defer rows.Close()
	curves := map[string][]Point{}
	for rows.Next() {
		var name string
		var p Point
		if err := rows.Scan(&name, &p.Step, &p.Value); err != nil {
			return nil, fmt.Errorf("track: %w", err)
		}
		curves[name] = append(curves[name], p)
	}
	return curves, rows.Err()
}

// Made lists the artefacts that the run has made; Used those that it has read.
func (r *Run) Made() ([]Artefact, error) { return r.store.linked("made", r.ID) }

// Used lists the artefacts that the run has read.
func (r *Run) Used() ([]Artefact, error) { return r.store.linked("used", r.ID) }

func (s *Store) linked(table string, run int64) ([]Artefact, error) {
	return s.artefacts(`SELECT `+artefactColumns+` FROM artefacts JOIN `+table+` USING (hash) WHERE run = ? ORDER BY made, name`, run)
}

const artefactColumns = `hash, kind, name, path, bytes, made, meta`

// Artefacts lists all artefacts, oldest first.
func (s *Store) Artefacts() ([]Artefact, error) {
	return s.artefacts(`SELECT ` + artefactColumns + ` FROM artefacts ORDER BY made, name`)
}

// Artefact finds an artefact by its hash or the beginning of it, at least 6 digits.
func (s *Store) Artefact(hash string) (Artefact, error) {
	if len(hash) < 6 || strings.Trim(hash, "0123456789abcdef") != "" {
		return Artefact{}, fmt.Errorf("track: %q is no hash: give at least 6 of its hexadecimal digits", hash)
	}
	list, err := s.artefacts(`SELECT `+artefactColumns+` FROM artefacts WHERE hash >= ? AND hash < ? ORDER BY hash LIMIT 2`, hash, hash+"g")
	switch {
	case err != nil:
		return Artefact{}, err
	case len(list) == 0:
		return Artefact{}, fmt.Errorf("track: no artefact %.12s in %s: note it with Run.File or Run.Value first", hash, s.path)
	case len(list) > 1:
		return Artefact{}, fmt.Errorf("track: %s begins the hashes of several artefacts: give more digits", hash)
	}
	return list[0], nil
}

func (s *Store) artefacts(query string, args ...any) ([]Artefact, error) {
	rows, err := s.db.Query(query, args...)
	if err != nil {
		return nil, fmt.Errorf("track: %w", err)
	}
	defer rows.Close()
	var list []Artefact
	for rows.Next() {
		var a Artefact
		var made int64
		var meta string
		if err := rows.Scan(&a.Hash, &a.Kind, &a.Name, &a.Path, &a.Bytes, &made, &meta); err != nil {
			return nil, fmt.Errorf("track: %w", err)
		}
		if err := json.Unmarshal([]byte(meta), &a.Meta); err != nil {
			return nil, fmt.Errorf("track: artefact %.12s in %s: %w", a.Hash, s.path, err)
		}
		a.Made = time.Unix(0, made)
		list = append(list, a)
	}
	return list, rows.Err()
}

// makers are the runs that made an artefact, the first one first.
func (s *Store) makers(hash string) ([]*Run, error) {
	return s.runs(`SELECT `+runColumns+` FROM runs WHERE id IN (SELECT run FROM made WHERE hash = ?) ORDER BY id`, hash)
}
