package testalone

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFileSize: the limit holds for what f writes, and no longer.
func TestFileSize(t *testing.T) {
	if Run(t) {
		return
	}
	name := filepath.Join(t.TempDir(), "file")
	write := func() error { return os.WriteFile(name, make([]byte, 1000), 0o600) }
	if err := FileSize(t, 100, write); !errors.Is(err, unix.EFBIG) {
		t.Errorf("%v", err)
	}
	if err := write(); err != nil {
		t.Error(err)
	}
}

// TestParts: a part of a test can run alone too.
func TestParts(t *testing.T) {
	t.Run("part", func(t *testing.T) {
		if Run(t) {
			return
		}
		if os.Getenv(variable) != "TestParts/part" {
			t.Error(os.Getenv(variable))
		}
	})
}
