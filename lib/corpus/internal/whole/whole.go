// Package whole makes files that appear complete or not at all.
//
// Invariant: until Commit the bytes are in a file of another name in the same folder, name + ".part-" + digits, which Commit moves.
package whole

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
)

// File is a file in the making: a buffered writer. Errors of writing come back from Commit at the latest.
type File struct {
	*bufio.Writer
	path string
	tmp  *os.File
}

// Create begins a file that will be at path, with the permissions that the process gives to new files.
func Create(path string) (*File, error) {
	for {
		tmp, err := os.OpenFile(fmt.Sprintf("%s.part-%d", path, rand.Uint32()), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return &File{bufio.NewWriterSize(tmp, 1<<20), path, tmp}, nil
	}
}

// Patch writes b over what is at offset: for headers that tell what follows them.
func (f *File) Patch(b []byte, offset int64) error {
	if err := f.Flush(); err != nil {
		return err
	}
	_, err := f.tmp.WriteAt(b, offset)
	return err
}

// Commit moves the file to its place, or removes it where anything failed. Nothing can be done with it afterwards.
func (f *File) Commit() error {
	err := f.Flush()
	if err == nil {
		err = f.tmp.Sync()
	}
	err = errors.Join(err, f.tmp.Close())
	if err == nil {
		err = os.Rename(f.tmp.Name(), f.path)
	}
	if err != nil {
		os.Remove(f.tmp.Name())
	}
	return err
}

// Abort gives the file up. After Commit it does nothing that matters.
func (f *File) Abort() {
	f.tmp.Close()
	os.Remove(f.tmp.Name())
}

// Sweep removes what a killed process left of files in a folder.
func Sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if unfinished.MatchString(e.Name()) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

var unfinished = regexp.MustCompile(`\.part-\d+$`)
