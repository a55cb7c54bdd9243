package track

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"quire/lib/show"
)

// Artefact is a piece of content that a run has made.
type Artefact struct {
	Hash  string // SHA-256 of the content, hexadecimal; of a folder, of its files' names and hashes
	Kind  string // "corpus", "tokenizer", "shards", "checkpoint", "model", "score" …
	Name  string
	Path  string // where it was when it was noted; "" for a value
	Bytes int64
	Made  time.Time
	Meta  map[string]any
}

// String is the artefact in one line.
func (a Artefact) String() string {
	return fmt.Sprintf("%s %s (%.12s, %s)", a.Kind, a.Name, a.Hash, show.Size(a.Bytes))
}

// File notes that the run has made a file or folder. meta says what is known of it: documents, tokens, perplexity.
func (r *Run) File(kind, path string, meta map[string]any) (Artefact, error) {
	hash, n, err := Hash(path)
	if err != nil {
		return Artefact{}, err
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return r.note(Artefact{Hash: hash, Kind: kind, Name: filepath.Base(path), Path: path, Bytes: n, Meta: meta})
}

// Value notes that the run has made something that lies in no file: a score, an answer. It is kept by its JSON.
func (r *Run) Value(kind, name string, v any) (Artefact, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return Artefact{}, fmt.Errorf("track: %s %s: %w", kind, name, err)
	}
	sum := sha256.Sum256(append([]byte(kind+"\x00"+name+"\x00"), data...))
	return r.note(Artefact{Hash: hex.EncodeToString(sum[:]), Kind: kind, Name: name, Bytes: int64(len(data)),
		Meta: map[string]any{"value": json.RawMessage(data)}})
}

func (r *Run) note(a Artefact) (Artefact, error) {
	if a.Meta == nil {
		a.Meta = map[string]any{}
	}
	meta, err := json.Marshal(a.Meta)
	if err != nil {
		return a, fmt.Errorf("track: %s %s: %w", a.Kind, a.Name, err)
	}
	if err := json.Unmarshal(meta, &a.Meta); err != nil {
		return a, fmt.Errorf("track: %s %s: %w", a.Kind, a.Name, err)
	}
	a.Made = time.Now()
	tx, err := r.store.db.Begin()
	if err != nil {
		return a, fmt.Errorf("track: %w", err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(`INSERT OR IGNORE INTO artefacts (`+artefactColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		a.Hash, a.Kind, a.Name, a.Path, a.Bytes, a.Made.UnixNano(), string(meta)); err != nil {
		return a, fmt.Errorf("track: %s %s: %w", a.Kind, a.Name, err)
	}
	if _, err := tx.Exec(`INSERT OR IGNORE INTO made (run, hash) VALUES (?, ?)`, r.ID, a.Hash); err != nil {
		return a, fmt.Errorf("track: %s %s: %w", a.Kind, a.Name, err)
	}
	if err := tx.Commit(); err != nil {
		return a, fmt.Errorf("track: %w", err)
	}
	return a, nil
}

// Verify errors unless the artefact lies where it was noted, unchanged. Values have no place and pass.
func (s *Store) Verify(a Artefact) error {
	if a.Path == "" {
		return nil
	}
	have, _, err := Hash(a.Path)
	if err != nil {
		return err
	}
	if have != a.Hash {
		return fmt.Errorf("track: %s is not the %s that was noted: its SHA-256 is %.12s, want %.12s", a.Path, a.Kind, have, a.Hash)
	}
	return nil
}

// Hash is the SHA-256 of a file, or of the sorted list of a folder's files with their hashes, and the number of bytes in all.
func Hash(path string) (hash string, n int64, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", 0, fmt.Errorf("track: %w", err)
	}
	if !info.IsDir() {
		return hashFile(path)
	}
	h := sha256.New()
	err = filepath.WalkDir(path, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		sum, size, err := hashFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(path, name)
		if err != nil {
			return err
		}
		n += size
		fmt.Fprintf(h, "%s  %s\n", sum, filepath.ToSlash(rel))
		return nil
	})
	if err != nil {
		return "", 0, fmt.Errorf("track: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), n, nil
}

func hashFile(path string) (hash string, n int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, fmt.Errorf("track: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if n, err = io.Copy(h, f); err != nil {
		return "", 0, fmt.Errorf("track: %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), n, nil
}
