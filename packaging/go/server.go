package dapimock

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	startTimeout  = time.Minute
	stopTimeout   = 10 * time.Second
	maxComplaints = 100
)

// Server is a dapi-mock server that this process started. It stops when the process ends, even if the process is
// killed.
type Server struct {
	// URL is the server's URL, such as http://127.0.0.1:3274.
	URL string
	// PID is its process id.
	PID int

	control  *control
	command  *exec.Cmd
	lifeline io.Closer
	ended    chan struct{}
}

// StartServer starts another server with options of "dapi-mock serve", on a free port and in memory unless the options
// say otherwise. Tests usually use Start, which shares one server.
func StartServer(options ...string) (*Server, error) {
	program, err := FindBinary()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "dapi-mock")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	readyFile := filepath.Join(folder, "ready.json")

	command := exec.Command(program, append([]string{"serve", "--profile", "test", "--port", "0",
		"--until-stdin-closes", "--ready-file", readyFile}, options...)...)
	// Keeps settings away that the developer's shell exports for other servers.
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); !strings.HasPrefix(name, "DAPI_MOCK_") && name != "PORT" {
			command.Env = append(command.Env, variable)
		}
	}
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := command.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	s := &Server{PID: command.Process.Pid, command: command, lifeline: stdin, ended: make(chan struct{})}

	ready := make(chan struct{})
	var complaints []string
	var readers sync.WaitGroup
	readers.Add(2)
	// Reads both to the end, so that no pipe fills up.
	go func() {
		defer readers.Done()
		var once sync.Once
		eachLine(stdout, func(line string) {
			if strings.HasPrefix(line, "dapi-mock ready ") {
				once.Do(func() { close(ready) })
			}
		})
	}()
	go func() {
		defer readers.Done()
		eachLine(stderr, func(line string) {
			if len(complaints) < maxComplaints {
				complaints = append(complaints, line)
			}
		})
	}()
	go func() {
		readers.Wait()
		_ = command.Wait() // ProcessState tells how it exited.
		close(s.ended)
	}()

	select {
	case <-ready:
	case <-s.ended:
		return nil, fmt.Errorf("dapi-mock exited with %s: %s", command.ProcessState, strings.Join(complaints, "\n"))
	case <-time.After(startTimeout):
		s.Stop()
		return nil, fmt.Errorf("dapi-mock was not ready after %s", startTimeout)
	}
	text, err := os.ReadFile(readyFile)
	var described struct{ Host string }
	if err == nil {
		err = json.Unmarshal(text, &described)
	}
	if err != nil {
		s.Stop()
		return nil, fmt.Errorf("could not read dapi-mock's ready file: %w", err)
	}
	s.URL, s.control = described.Host, newControl(described.Host)
	return s, nil
}

func eachLine(stream io.Reader, do func(string)) {
	lines := bufio.NewReader(stream)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			do(strings.TrimRight(line, "\r\n"))
		}
		if err != nil {
			return
		}
	}
}

// Stop stops the server and waits until it has exited.
func (s *Server) Stop() {
	s.lifeline.Close()
	select {
	case <-s.ended:
	case <-time.After(stopTimeout):
		_ = s.command.Process.Kill() // An error means that it has already exited.
		<-s.ended
	}
}

// SuspectedCredentials returns the suspected real credentials that were sent here: kind, client, count, first and last
// time.
func (s *Server) SuspectedCredentials() ([]JSON, error) {
	var answer struct {
		Suspected []JSON `json:"strangers"`
	}
	err := s.control.call("GET", "/tripwire", nil, nil, &answer)
	return answer.Suspected, err
}
