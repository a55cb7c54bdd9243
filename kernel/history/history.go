// Package history keeps the cells that were run, across sessions, in one SQLite file that several kernels may share.
//
// A Log opens its file with the first use and works in one goroutine of its own: adding a cell never makes the cell wait for a disk.
//
// Invariant: a file that cannot be used costs the memory of earlier sessions, never a cell: the log then lives in memory and says so.
package history

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Entry is one cell that was run.
type Entry struct {
	Session int // numbered from 1 in the order in which sessions first used the file
	Line    int // execution count
	Source  string
	Output  string // text of the cell's value, "" for none
}

// Log is the history as one kernel session sees it. Goroutines may share it.
type Log struct {
	path string
	log  *slog.Logger
	work chan func()
	done chan struct{}

	mu     sync.RWMutex // held for reading while work is sent to
	closed bool

	// Owned by the goroutine that runs work.
	db      *sql.DB
	session int
}

// Open makes a log of a file, which need not exist; "" keeps it in memory. It does not touch the file yet.
func Open(path string, log *slog.Logger) *Log {
	l := &Log{path: path, log: log, work: make(chan func(), 256), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for f := range l.work {
			f()
		}
		if l.db != nil {
			l.db.Close()
		}
	}()
	return l
}

// Close writes what was added. A closed log drops what is added, as by a cell that ends later, and finds nothing.
func (l *Log) Close() {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.work)
	}
	l.mu.Unlock()
	<-l.done
}

// do hands work to the log's goroutine. It reports false when the log is closed.
func (l *Log) do(f func()) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if !l.closed {
		l.work <- f
	}
	return !l.closed
}

// Add records a cell of this session.
func (l *Log) Add(line int, source, output string) {
	l.do(func() {
		db, err := l.open()
		if err == nil {
			_, err = db.Exec(`INSERT OR REPLACE INTO cells VALUES (?, ?, ?, ?)`, l.session, line, source, output)
		}
		if err != nil {
			l.log.Warn("history: cell not recorded", "err", err)
		}
	})
}

// Range lists lines start to stop-1 of a session, oldest first; stop 0 means to the end. Session 0 is this one, -1 the one before.
func (l *Log) Range(session, start, stop int) ([]Entry, error) {
	return l.query(func() (string, []any) {
		if session <= 0 {
			session += l.session
		}
		where := `WHERE session = ? AND line >= ?`
		args := []any{session, start}
		if stop > 0 {
			where += ` AND line < ?`
			args = append(args, stop)
		}
		return where + ` ORDER BY line`, args
	}, false)
}

// Tail lists the last n cells of all sessions, oldest first.
func (l *Log) Tail(n int) ([]Entry, error) {
	return l.query(func() (string, []any) { return `ORDER BY session DESC, line DESC LIMIT ?`, []any{n} }, true)
}

// Search lists the last n cells that fit a pattern of *, ? and [sets], oldest first; n 0 means all. Unique keeps the last of equal ones.
func (l *Log) Search(pattern string, n int, unique bool) ([]Entry, error) {
	if n <= 0 {
		n = -1
	}
	return l.query(func() (string, []any) {
		where := `WHERE source GLOB ?`
		if unique {
			where += ` AND (session, line) = (SELECT session, line FROM cells AS c WHERE c.source = cells.source ORDER BY session DESC, line DESC LIMIT 1)`
		}
		return where + ` ORDER BY session DESC, line DESC LIMIT ?`, []any{pattern, n}
	}, true)
}

// query runs a selection behind everything added before; where is called when the session's number is known.
func (l *Log) query(where func() (string, []any), newestFirst bool) ([]Entry, error) {
	var entries []Entry
	var err error
	ready := make(chan struct{})
	if !l.do(func() {
		defer close(ready)
		var db *sql.DB
		if db, err = l.open(); err != nil {
			return
		}
		clause, args := where()
		entries, err = read(db, `SELECT session, line, source, output FROM cells `+clause, args)
	}) {
		return nil, errors.New("history: the log is closed")
	}
	<-ready
	if newestFirst {
		slices.Reverse(entries)
	}
	return entries, err
}

func read(db *sql.DB, query string, args []any) ([]Entry, error) {
	rows, err := db.Query(query, args...)
	if err != nil {
		return nil, fmt.Errorf("history: %v", err)
	}
	defer rows.Close()
	var entries []Entry
	for rows.Next() {
		var e Entry
		if err := rows.Scan(&e.Session, &e.Line, &e.Source, &e.Output); err != nil {
			return nil, fmt.Errorf("history: %v", err)
		}
		entries = append(entries, e)
	}
	return entries, rows.Err()
}

// open opens the file once and begins a session in it.
func (l *Log) open() (*sql.DB, error) {
	if l.db != nil {
		return l.db, nil
	}
	err := l.openFile(l.path)
	if err != nil && l.path != "" {
		l.log.Warn("history: kept in memory only", "file", l.path, "err", err)
		err = l.openFile("")
	}
	return l.db, err
}

const schema = `
CREATE TABLE IF NOT EXISTS sessions (id INTEGER PRIMARY KEY, started TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS cells (session INTEGER NOT NULL, line INTEGER NOT NULL, source TEXT NOT NULL, output TEXT NOT NULL,
	PRIMARY KEY (session, line)) WITHOUT ROWID;`

func (l *Log) openFile(path string) error {
	name := ":memory:"
	if path != "" {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		name = "file:" + path + "?_pragma=busy_timeout(2000)&_pragma=synchronous(normal)"
	}
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1) // one memory database, and one writer of the file
	if _, err := db.Exec(schema); err != nil {
		db.Close()
		return err
	}
	result, err := db.Exec(`INSERT INTO sessions (started) VALUES (?)`, time.Now().UTC().Format(time.RFC3339))
	if err != nil {
		db.Close()
		return err
	}
	id, err := result.LastInsertId()
	l.db, l.session = db, int(id)
	return err
}

// DefaultPath is where a user's history is kept: XDG_DATA_HOME, by default ~/.local/share. It is "" when there is no home.
func DefaultPath() string {
	dir := os.Getenv("XDG_DATA_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(dir, "quire", "history.sqlite")
}
