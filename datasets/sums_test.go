package datasets_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"quire/datasets"
)

func TestSums(t *testing.T) {
	dir := t.TempDir()
	h := sha256.Sum256([]byte("a shard"))
	digest := hex.EncodeToString(h[:])
	shard := write(t, dir, "shard.json.gz", "a shard")
	other := write(t, dir, "other.json.gz", "a s")
	for name, manifest := range map[string]string{
		"SHA256SUMS":            digest + "  shard.json.gz\n" + strings.ToUpper(digest) + " *en/second.json.gz\n",
		"pointer/shard.json.gz": "version https://git-lfs.github.com/spec/v1\noid sha256:" + digest + "\nsize 7\n",
	} {
		files, err := datasets.Sums(write(t, dir, name, manifest))
		if err != nil {
			t.Fatal(err)
		}
		if files[0].Name != "shard.json.gz" {
			t.Errorf("%s names %+v", name, files)
		}
		for _, f := range files {
			if err := f.Verify(shard); err != nil {
				t.Error(err)
			}
			if err := f.Verify(other); err == nil || !strings.Contains(err.Error(), "download it again") {
				t.Errorf("another file by %s: %v", name, err)
			}
		}
	}
	for manifest, want := range map[string]string{
		"":                           "names no file",
		digest + "\n":                "x:1: ",
		digest + "  a\n" + "zz  b\n": "x:2: ",
		"version https://git-lfs.github.com/spec/v1\nsize 7\n":       "without a line",
		"version https://git-lfs.github.com/spec/v1\noid sha256:0\n": "x:2: ",
		"version https://git-lfs.github.com/spec/v1\nsize -1\n":      "is no size",
	} {
		if _, err := datasets.Sums(write(t, dir, "x", manifest)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", manifest, err, want)
		}
	}
}

// Any bytes are a list of files with digests or an error.
func FuzzSums(f *testing.F) {
	f.Add([]byte("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  empty\n"))
	f.Add([]byte("version https://git-lfs.github.com/spec/v1\noid sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\nsize 0\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "sums")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		files, err := datasets.Sums(path)
		if err == nil && len(files) == 0 {
			t.Error("no file and no error")
		}
		for _, file := range files {
			if file.Name == "" || len(file.SHA256) != 64 || file.Bytes < 0 {
				t.Errorf("%+v", file)
			}
		}
	})
}
