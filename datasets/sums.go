package datasets

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Sums reads what a publisher says of files whose cards are too long to write: the lines of sha256sum ("<64 hexadecimal digits>  name"),
// or a Git LFS pointer, which is what a hub's repository holds in place of a large file and is called as that file. The files'
// Verify then tells whether a download is whole.
func Sums(path string) ([]File, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("datasets: %w", err)
	}
	defer r.Close()
	var files []File
	pointer := false
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimRight(lines.Text(), "\r")
		if n == 1 && strings.HasPrefix(line, "version https://git-lfs.github.com/spec/") {
			pointer = true
			files = []File{{Name: filepath.Base(path)}}
			continue
		}
		switch {
		case line == "":
			continue
		case pointer:
			err = files[0].pointer(line)
		default:
			var f File
			f, err = sum(line)
			files = append(files, f)
		}
		if err != nil {
			return nil, fmt.Errorf("datasets: %s:%d: %w", path, n, err)
		}
	}
	switch err := lines.Err(); {
	case err != nil:
		return nil, fmt.Errorf("datasets: %s: %w", path, err)
	case len(files) == 0:
		return nil, fmt.Errorf("datasets: %s names no file; lines of sha256sum or a Git LFS pointer were expected", path)
	case pointer && files[0].SHA256 == "":
		return nil, fmt.Errorf("datasets: %s: a Git LFS pointer without a line \"oid sha256:…\"", path)
	}
	return files, nil
}

// pointer takes a line of a Git LFS pointer.
func (f *File) pointer(line string) (err error) {
	key, value, _ := strings.Cut(line, " ")
	switch key {
	case "oid":
		digest, ok := strings.CutPrefix(value, "sha256:")
		if !ok || !isSHA256(digest) {
			return fmt.Errorf("%q is no \"oid sha256:…\"", line)
		}
		f.SHA256 = digest
	case "size":
		if f.Bytes, err = strconv.ParseInt(value, 10, 64); err != nil || f.Bytes < 0 {
			return fmt.Errorf("%q is no size", line)
		}
	}
	return nil
}

// sum takes a line of sha256sum; an asterisk before the name says that the file was read as bytes.
func sum(line string) (File, error) {
	digest, name, ok := strings.Cut(line, " ")
	name = strings.TrimPrefix(strings.TrimPrefix(name, " "), "*")
	if !ok || name == "" || !isSHA256(digest) {
		return File{}, fmt.Errorf("%.80q is no line of sha256sum", line)
	}
	return File{Name: name, SHA256: strings.ToLower(digest)}, nil
}

func isSHA256(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32
}
