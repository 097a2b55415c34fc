package core

import (
	"bufio"
	"errors"
	"io"
	"os"

	"emurace/replay"
)

// Files are what Save has written.
type Files struct {
	Core    string
	Size    uint64 // of the core, in bytes; holes count
	Program string // "" when Core is no regular file
}

// Save writes the core to a file and the program beside it, under the same name
// with .exe behind it; both completely or not at all. The core may take less room
// on disk than its size says: pages of zeros are holes. What is no regular file,
// such as a pipe or /dev/null, gets the core as it is, and there is no program. The
// errors name the file.
func (p *Process) Save(name string) (Files, error) {
	out := Files{Core: name}
	// Early, because the program is written first: gdb warns of one that is newer
	// than its core.
	if err := replay.CheckWritable(name); err != nil {
		return out, err
	}
	if info, err := os.Stat(name); err != nil || info.Mode().IsRegular() {
		out.Program = name + ".exe"
	}
	fresh := false // the program is one that was not there before
	if out.Program != "" {
		_, err := os.Lstat(out.Program)
		fresh = err != nil
		if err := p.saveProgram(out.Program); err != nil {
			return out, err
		}
	}
	err := replay.Save(name, func(f *os.File) (err error) {
		var s sink = stream{bufio.NewWriterSize(f, bufferSize)}
		if out.Program != "" {
			s = &sparse{f: f, buf: bufio.NewWriterSize(f, bufferSize)}
		}
		out.Size, err = p.write(s)
		return err
	})
	if err != nil && fresh {
		err = errors.Join(err, os.Remove(out.Program))
	}
	return out, err
}

func (p *Process) saveProgram(name string) error {
	data, err := p.ProgramFile()
	if err != nil {
		return err
	}
	return replay.Save(name, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}

// sparse is a sink that leaves holes in a file.
type sparse struct {
	f    *os.File
	buf  *bufio.Writer
	size int64 // bytes so far, those left out too
	hole int64 // bytes left out since the last write
}

func (s *sparse) Write(b []byte) (int, error) {
	if s.hole > 0 {
		if err := s.buf.Flush(); err != nil {
			return 0, err
		}
		if _, err := s.f.Seek(s.hole, io.SeekCurrent); err != nil {
			return 0, err
		}
		s.hole = 0
	}
	n, err := s.buf.Write(b)
	s.size += int64(n)
	return n, err
}

func (s *sparse) skip(n uint64) error {
	s.hole += int64(n)
	s.size += int64(n)
	return nil
}

// Flush also gives the file its size, which a hole at its end would not.
func (s *sparse) Flush() error {
	if err := s.buf.Flush(); err != nil {
		return err
	}
	return s.f.Truncate(s.size)
}
