package dapimock

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Version is the version in Cargo.toml: that of this package and of the program that it downloads.
const Version = "0.1.0"

const (
	releases        = "https://github.com/dapi-mock/dapi-mock/releases/download"
	downloadTimeout = 5 * time.Minute
	// The largest download that is accepted; a program is about 20 MB.
	maxDownload = 200 << 20
)

// FindBinary returns the path of the dapi-mock program: the one that DAPI_MOCK_BIN names, or else the first one on
// PATH. If there is none, it downloads the release of this package's version into the user's cache folder, once, and
// verifies its checksum. DAPI_MOCK_RELEASES names another place for releases; "off" turns downloads off.
func FindBinary() (string, error) {
	if named := os.Getenv("DAPI_MOCK_BIN"); named != "" {
		if _, err := exec.LookPath(named); err != nil {
			return "", fmt.Errorf("DAPI_MOCK_BIN is not an executable file: %w", err)
		}
		return named, nil
	}
	if found, err := exec.LookPath("dapi-mock"); err == nil {
		return found, nil
	}
	base := os.Getenv("DAPI_MOCK_RELEASES")
	if base == "off" {
		return "", errors.New("no dapi-mock program found: set DAPI_MOCK_BIN or install dapi-mock on PATH")
	}
	if base == "" {
		base = releases
	}
	program, err := download(strings.TrimRight(base, "/"))
	if err != nil {
		return "", fmt.Errorf("no dapi-mock program on PATH, and could not download one: %w", err)
	}
	return program, nil
}

var targets = map[string]string{
	"linux/amd64":  "x86_64-unknown-linux-musl",
	"linux/arm64":  "aarch64-unknown-linux-musl",
	"darwin/amd64": "x86_64-apple-darwin",
	"darwin/arm64": "aarch64-apple-darwin",
}

func download(base string) (string, error) {
	target, ok := targets[runtime.GOOS+"/"+runtime.GOARCH]
	if !ok {
		return "", fmt.Errorf("no release for %s/%s: set DAPI_MOCK_BIN", runtime.GOOS, runtime.GOARCH)
	}
	name := fmt.Sprintf("dapi-mock-%s-%s", Version, target)
	caches, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(caches, "dapi-mock", "bin", name)
	program := filepath.Join(folder, "dapi-mock")
	// The program is moved here only when it is complete and verified.
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}

	url := fmt.Sprintf("%s/v%s/", base, Version)
	sums, err := get(url + "SHA256SUMS")
	if err != nil {
		return "", err
	}
	archive, err := get(url + name + ".tar.gz")
	if err != nil {
		return "", err
	}
	if err := compare(archive, sums, name+".tar.gz"); err != nil {
		return "", err
	}
	content, err := unpack(archive, name+"/dapi-mock")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	return program, install(content, program)
}

func get(url string) ([]byte, error) {
	client := http.Client{Timeout: downloadTimeout}
	response, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", url, response.Status)
	}
	return io.ReadAll(io.LimitReader(response.Body, maxDownload))
}

// compare verifies a file's checksum against the output of sha256sum.
func compare(content, sums []byte, name string) error {
	sum := sha256.Sum256(content)
	for _, line := range strings.Split(string(sums), "\n") {
		fields := strings.Fields(line)
		if len(fields) == 2 && strings.TrimPrefix(fields[1], "*") == name {
			if fields[0] != hex.EncodeToString(sum[:]) {
				return fmt.Errorf("%s does not have the checksum in SHA256SUMS", name)
			}
			return nil
		}
	}
	return fmt.Errorf("SHA256SUMS has no checksum for %s", name)
}

func unpack(archive []byte, path string) ([]byte, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	entries := tar.NewReader(unzipped)
	for {
		entry, err := entries.Next()
		if err == io.EOF {
			return nil, fmt.Errorf("the archive has no %s", path)
		}
		if err != nil {
			return nil, err
		}
		if entry.Name == path && entry.Typeflag == tar.TypeReg {
			return io.ReadAll(io.LimitReader(entries, maxDownload))
		}
	}
}

func install(content []byte, program string) error {
	part, err := os.CreateTemp(filepath.Dir(program), "dapi-mock-*.part")
	if err != nil {
		return err
	}
	defer os.Remove(part.Name())
	_, err = part.Write(content)
	if err := errors.Join(err, part.Chmod(0o755), part.Close()); err != nil {
		return err
	}
	return os.Rename(part.Name(), program)
}
