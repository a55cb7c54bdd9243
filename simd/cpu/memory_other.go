//go:build !linux

package cpu

import "errors"

// mapHuge is for Linux; elsewhere the Go heap serves.
func mapHuge(int) (data []byte, unmap func(), err error) {
	return nil, nil, errors.New("cpu: no huge pages on this system")
}
