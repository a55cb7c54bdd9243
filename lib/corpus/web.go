package corpus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// web is the store of http:// and https://.
type web struct{ scheme string }

var client = &http.Client{Transport: func() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = maxIdle
	return t
}()}

// List implements Store: a web server lists nothing.
func (w web) List(context.Context, string) ([]string, error) { return nil, errors.ErrUnsupported }

// versioned is a body with what the server says of its version.
type versioned struct {
	io.ReadCloser
	version string
}

func (v versioned) Version() string { return v.version }

// Open implements Store by a range request.
func (w web) Open(ctx context.Context, name string, offset int64) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.scheme+"://"+name, nil)
	if err != nil {
		return nil, permanent{err}
	}
	req.Header.Set("Accept-Encoding", "identity")
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	version := resp.Header.Get("ETag") + " " + resp.Header.Get("Last-Modified")
	switch {
	case resp.StatusCode == http.StatusPartialContent && strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", offset)):
		return versioned{resp.Body, version}, nil
	case resp.StatusCode == http.StatusOK: // the whole, wherever it was to begin
		if _, err := io.CopyN(io.Discard, resp.Body, offset); err != nil {
			resp.Body.Close()
			return nil, err
		}
		return versioned{resp.Body, version}, nil
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && resp.Header.Get("Content-Range") == fmt.Sprintf("bytes */%d", offset) {
		return http.NoBody, nil // all is read already; such an answer tells no version
	}
	err = fmt.Errorf("the server says %s", resp.Status)
	if resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusRequestTimeout {
		return nil, permanent{err}
	}
	return nil, err
}
