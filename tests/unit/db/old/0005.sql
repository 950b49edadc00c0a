BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0005');
CREATE TABLE attempt (
        event_id INTEGER NOT NULL,
        frame INTEGER NOT NULL,
        file_name TEXT NOT NULL,
        attempts INTEGER NOT NULL CHECK (attempts >= 0),
        leased INTEGER NOT NULL CHECK (leased IN (0, 1)),
        not_before INTEGER,
        PRIMARY KEY (event_id, frame, file_name),
        FOREIGN KEY (event_id, frame, file_name)
            REFERENCES backlog (event_id, frame, file_name) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID
    ;
INSERT INTO "attempt" VALUES(5,1,'',1,0,1714564892000);
INSERT INTO "attempt" VALUES(5,2,'',1,1,NULL);
INSERT INTO "attempt" VALUES(5,3,'',1,1,NULL);
CREATE TABLE backlog (
        event_id INTEGER NOT NULL REFERENCES event (id),
        frame INTEGER NOT NULL,
        file_name TEXT NOT NULL,
        monitor_id INTEGER NOT NULL REFERENCES monitor (id),
        origin INTEGER NOT NULL CHECK (origin IN (0, 1, 2)),
        fineness INTEGER NOT NULL,
        event_started_at INTEGER NOT NULL,
        added_at INTEGER NOT NULL,
        PRIMARY KEY (event_id, frame, file_name)
    ) STRICT, WITHOUT ROWID
    ;
INSERT INTO "backlog" VALUES(4,1,'',2,2,0,1714565100000,1714564860000);
INSERT INTO "backlog" VALUES(4,2,'',2,2,0,1714565100000,1714564860000);
INSERT INTO "backlog" VALUES(4,3,'',2,2,0,1714565100000,1714564860000);
INSERT INTO "backlog" VALUES(5,0,'extra.jpg',1,0,16,1714564920000,1714564861000);
INSERT INTO "backlog" VALUES(5,1,'',1,0,0,1714564920000,1714564861000);
INSERT INTO "backlog" VALUES(5,2,'',1,0,16,1714564920000,1714564861000);
INSERT INTO "backlog" VALUES(5,3,'',1,0,15,1714564920000,1714564861000);
INSERT INTO "backlog" VALUES(5,4,'',1,0,16,1714564920000,1714564861000);
INSERT INTO "backlog" VALUES(5,5,'',1,0,14,1714564920000,1714564861000);
INSERT INTO "backlog" VALUES(5,6,'',1,0,16,1714564920000,1714564861000);
INSERT INTO "backlog" VALUES(5,7,'',1,0,15,1714564920000,1714564861000);
INSERT INTO "backlog" VALUES(5,8,'',1,0,16,1714564920000,1714564861000);
INSERT INTO "backlog" VALUES(6,5,'',2,1,14,1714564980000,1714564862000);
INSERT INTO "backlog" VALUES(6,6,'',2,1,16,1714564980000,1714564862000);
CREATE TABLE capture (
        event_id INTEGER NOT NULL REFERENCES event (id),
        frame INTEGER NOT NULL,
        file_name TEXT NOT NULL,
        captured_at INTEGER NOT NULL,
        annotated_at INTEGER NOT NULL,
        width INTEGER NOT NULL CHECK (width > 0),
        height INTEGER NOT NULL CHECK (height > 0),
        provenance_id INTEGER NOT NULL REFERENCES provenance (id), inherited_from TEXT,
        PRIMARY KEY (event_id, frame, file_name)
    ) STRICT, WITHOUT ROWID
    ;
INSERT INTO "capture" VALUES(1,1,'',1714564801000,1714564800,1920,1080,2,NULL);
INSERT INTO "capture" VALUES(1,2,'',1714564802000,1714564800,1920,1080,1,NULL);
INSERT INTO "capture" VALUES(2,1,'',1714564861000,1714564800,1920,1080,1,NULL);
INSERT INTO "capture" VALUES(3,0,'cat.jpg',1714568400000,1714564800,1920,1080,1,NULL);
CREATE TABLE detection (
        id INTEGER PRIMARY KEY,
        event_id INTEGER NOT NULL,
        frame INTEGER NOT NULL,
        file_name TEXT NOT NULL,
        captured_at INTEGER NOT NULL,
        monitor_id INTEGER NOT NULL REFERENCES monitor (id),
        label_id INTEGER NOT NULL REFERENCES label (id),
        class_id INTEGER NOT NULL,
        score REAL NOT NULL CHECK (score BETWEEN 0 AND 1),
        xmin INTEGER NOT NULL,
        ymin INTEGER NOT NULL,
        xmax INTEGER NOT NULL,
        ymax INTEGER NOT NULL, stationary_id INTEGER, stay INTEGER
    CHECK (stay IN (0, 1, 2) AND stationary_id IS NOT NULL OR stay IS NULL),
        FOREIGN KEY (event_id, frame, file_name)
            REFERENCES capture (event_id, frame, file_name) ON DELETE CASCADE,
        CHECK (0 <= xmin AND xmin < xmax AND 0 <= ymin AND ymin < ymax)
    ) STRICT
    ;
INSERT INTO "detection" VALUES(1,1,1,'',1714564801000,1,1,0,0.625,10,10,100,200,NULL,NULL);
INSERT INTO "detection" VALUES(2,1,1,'',1714564801000,1,2,0,0.75,10,10,100,200,NULL,NULL);
INSERT INTO "detection" VALUES(3,2,1,'',1714564861000,2,2,0,0.5,10,10,100,200,NULL,NULL);
INSERT INTO "detection" VALUES(4,3,0,'cat.jpg',1714568400000,3,1,0,0.5,10,10,100,200,NULL,NULL);
CREATE TABLE embedding (
        face_id INTEGER PRIMARY KEY,
        vector BLOB NOT NULL CHECK (length(vector) = 512), mirrored BLOB CHECK (length(mirrored) = 512),
        FOREIGN KEY (face_id) REFERENCES face (id) ON DELETE CASCADE
    ) STRICT
    ;
INSERT INTO "embedding" VALUES(2,X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F404142434445464748494A4B4C4D4E4F505152535455565758595A5B5C5D5E5F606162636465666768696A6B6C6D6E6F707172737475767778797A7B7C7D7E7F808182838485868788898A8B8C8D8E8F909192939495969798999A9B9C9D9E9FA0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8B9BABBBCBDBEBFC0C1C2C3C4C5C6C7C8C9CACBCCCDCECFD0D1D2D3D4D5D6D7D8D9DADBDCDDDEDFE0E1E2E3E4E5E6E7E8E9EAEBECEDEEEFF0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F404142434445464748494A4B4C4D4E4F505152535455565758595A5B5C5D5E5F606162636465666768696A6B6C6D6E6F707172737475767778797A7B7C7D7E7F808182838485868788898A8B8C8D8E8F909192939495969798999A9B9C9D9E9FA0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8B9BABBBCBDBEBFC0C1C2C3C4C5C6C7C8C9CACBCCCDCECFD0D1D2D3D4D5D6D7D8D9DADBDCDDDEDFE0E1E2E3E4E5E6E7E8E9EAEBECEDEEEFF0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF',X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F404142434445464748494A4B4C4D4E4F505152535455565758595A5B5C5D5E5F606162636465666768696A6B6C6D6E6F707172737475767778797A7B7C7D7E7F808182838485868788898A8B8C8D8E8F909192939495969798999A9B9C9D9E9FA0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8B9BABBBCBDBEBFC0C1C2C3C4C5C6C7C8C9CACBCCCDCECFD0D1D2D3D4D5D6D7D8D9DADBDCDDDEDFE0E1E2E3E4E5E6E7E8E9EAEBECEDEEEFF0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F404142434445464748494A4B4C4D4E4F505152535455565758595A5B5C5D5E5F606162636465666768696A6B6C6D6E6F707172737475767778797A7B7C7D7E7F808182838485868788898A8B8C8D8E8F909192939495969798999A9B9C9D9E9FA0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8B9BABBBCBDBEBFC0C1C2C3C4C5C6C7C8C9CACBCCCDCECFD0D1D2D3D4D5D6D7D8D9DADBDCDDDEDFE0E1E2E3E4E5E6E7E8E9EAEBECEDEEEFF0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF');
INSERT INTO "embedding" VALUES(3,X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F404142434445464748494A4B4C4D4E4F505152535455565758595A5B5C5D5E5F606162636465666768696A6B6C6D6E6F707172737475767778797A7B7C7D7E7F808182838485868788898A8B8C8D8E8F909192939495969798999A9B9C9D9E9FA0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8B9BABBBCBDBEBFC0C1C2C3C4C5C6C7C8C9CACBCCCDCECFD0D1D2D3D4D5D6D7D8D9DADBDCDDDEDFE0E1E2E3E4E5E6E7E8E9EAEBECEDEEEFF0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F404142434445464748494A4B4C4D4E4F505152535455565758595A5B5C5D5E5F606162636465666768696A6B6C6D6E6F707172737475767778797A7B7C7D7E7F808182838485868788898A8B8C8D8E8F909192939495969798999A9B9C9D9E9FA0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8B9BABBBCBDBEBFC0C1C2C3C4C5C6C7C8C9CACBCCCDCECFD0D1D2D3D4D5D6D7D8D9DADBDCDDDEDFE0E1E2E3E4E5E6E7E8E9EAEBECEDEEEFF0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF',NULL);
CREATE TABLE event (
        id INTEGER PRIMARY KEY,
        monitor_id INTEGER NOT NULL REFERENCES monitor (id),
        path TEXT NOT NULL,
        started_at INTEGER,
        frame_format TEXT NOT NULL, first_frame INTEGER NOT NULL DEFAULT 1, began_at INTEGER,
        UNIQUE (monitor_id, path)
    ) STRICT
    ;
INSERT INTO "event" VALUES(1,1,'24/05/01/12/00/00',1714564800000,'%05d-capture.jpg',1,1714564801000);
INSERT INTO "event" VALUES(2,2,'24/05/01/12/01/00',1714564860000,'%05d-capture.jpg',1,1714564861000);
INSERT INTO "event" VALUES(3,3,'',1714568400000,'',1,1714568400000);
INSERT INTO "event" VALUES(4,2,'24/05/01/12/05/00',1714565100000,'%05d-capture.jpg',1,NULL);
INSERT INTO "event" VALUES(5,1,'24/05/01/12/02/00',1714564920000,'%05d-capture.jpg',1,NULL);
INSERT INTO "event" VALUES(6,2,'24/05/01/12/03/00',1714564980000,'%05d-capture.jpg',1,NULL);
CREATE TABLE "face" (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        detection_id INTEGER NOT NULL,
        captured_at INTEGER NOT NULL,
        verdict TEXT NOT NULL,
        name TEXT CHECK (name <> 'unknown'),
        probability REAL,
        distance REAL,
        score REAL NOT NULL CHECK (score BETWEEN 0 AND 1),
        sharpness REAL NOT NULL,
        xmin INTEGER NOT NULL,
        ymin INTEGER NOT NULL,
        xmax INTEGER NOT NULL,
        ymax INTEGER NOT NULL,
        event_id INTEGER NOT NULL,
        track INTEGER,
        seen_better INTEGER NOT NULL CHECK (seen_better IN (0, 1)),
        recogniser_id INTEGER,
        stranger INTEGER CHECK (stranger > 0),
        weight REAL AS (min(xmax - xmin, ymax - ymin, 160) * sharpness / (sharpness + 300)) VIRTUAL,
        FOREIGN KEY (detection_id) REFERENCES detection (id) ON DELETE CASCADE,
        FOREIGN KEY (recogniser_id) REFERENCES recogniser (id),
        CHECK ((name IS NOT NULL) = (verdict = 'known')),
        CHECK (0 <= xmin AND xmin < xmax AND 0 <= ymin AND ymin < ymax)
    ) STRICT
    ;
INSERT INTO "face" VALUES(1,2,1714564801000,'blurred',NULL,NULL,NULL,0.625,3.5,50,10,80,40,1,NULL,0,NULL,NULL);
INSERT INTO "face" VALUES(2,2,1714564801000,'known','Anna',0.875,0.25,0.75,120.5,12,12,40,44,1,NULL,0,1,NULL);
INSERT INTO "face" VALUES(3,3,1714564861000,'unknown',NULL,0.875,0.25,0.75,120.5,12,12,40,44,2,NULL,0,NULL,1);
CREATE TABLE failure (
        id INTEGER PRIMARY KEY,
        event_id INTEGER REFERENCES event (id),
        frame INTEGER,
        file_name TEXT,
        directory TEXT UNIQUE,
        reason TEXT NOT NULL,
        message TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        failed_at INTEGER NOT NULL, size INTEGER, modified_us INTEGER CHECK ((size IS NULL) = (modified_us IS NULL)),
        UNIQUE (event_id, frame, file_name),
        CHECK ((event_id IS NULL) = (directory IS NOT NULL)),
        CHECK ((event_id IS NULL) = (frame IS NULL) AND (frame IS NULL) = (file_name IS NULL))
    ) STRICT
    ;
INSERT INTO "failure" VALUES(2,2,2,'',NULL,'vanished','Hall/24/05/01/12/01/00/00002-capture.jpg has no end',3,1714564800000,NULL,NULL);
INSERT INTO "failure" VALUES(3,NULL,NULL,NULL,'Hall/24/05/02','unreadable','permission denied',1,1714564800000,NULL,NULL);
INSERT INTO "failure" VALUES(4,1,3,'',NULL,'truncated','Door/24/05/01/12/00/00/00003-capture.jpg has no end',3,1714564800000,1234,1714564800123456);
CREATE TABLE label (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
    ) STRICT
    ;
INSERT INTO "label" VALUES(1,'cat');
INSERT INTO "label" VALUES(2,'person');
CREATE TABLE label_count (
        label_id INTEGER NOT NULL,
        quarter INTEGER NOT NULL,
        event_id INTEGER NOT NULL,
        still INTEGER NOT NULL CHECK (still IN (0, 1)),
        monitor_id INTEGER NOT NULL,
        detections INTEGER NOT NULL CHECK (detections >= 0),
        sightings INTEGER NOT NULL CHECK (sightings >= detections),
        PRIMARY KEY (label_id, quarter, event_id, still)
    ) STRICT, WITHOUT ROWID
    ;
INSERT INTO "label_count" VALUES(1,1905072,1,0,1,1,1);
INSERT INTO "label_count" VALUES(1,1905076,3,0,3,1,1);
INSERT INTO "label_count" VALUES(2,1905072,1,0,1,1,2);
INSERT INTO "label_count" VALUES(2,1905072,2,0,2,1,1);
CREATE TABLE monitor (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        directory TEXT NOT NULL UNIQUE
    ) STRICT
    ;
INSERT INTO "monitor" VALUES(1,'Door','Door');
INSERT INTO "monitor" VALUES(2,'Hall','Hall');
INSERT INTO "monitor" VALUES(3,'Photos','Photos');
CREATE TABLE name_count (
        name TEXT NOT NULL,
        quarter INTEGER NOT NULL,
        event_id INTEGER NOT NULL,
        still INTEGER NOT NULL CHECK (still IN (0, 1)),
        monitor_id INTEGER NOT NULL,
        faces INTEGER NOT NULL CHECK (faces >= 0),
        PRIMARY KEY (name, quarter, event_id, still)
    ) STRICT, WITHOUT ROWID
    ;
INSERT INTO "name_count" VALUES('Anna',1905072,1,0,1,1);
INSERT INTO "name_count" VALUES('unknown',1905072,2,0,2,1);
CREATE TABLE overruled (
        face_id INTEGER PRIMARY KEY,
        verdict TEXT NOT NULL,
        name TEXT,
        probability REAL,
        distance REAL,
        recogniser_id INTEGER,
        FOREIGN KEY (face_id) REFERENCES face (id) ON DELETE CASCADE
    ) STRICT
    ;
INSERT INTO "overruled" VALUES(3,'unknown',NULL,0.875,0.25,NULL);
CREATE TABLE provenance (
        id INTEGER PRIMARY KEY,
        detector TEXT NOT NULL,
        delegate TEXT NOT NULL,
        fallback INTEGER NOT NULL CHECK (fallback IN (0, 1)),
        face_detector TEXT NOT NULL,
        embedder TEXT NOT NULL,
        recogniser TEXT NOT NULL,
        UNIQUE (detector, delegate, fallback, face_detector, embedder, recogniser)
    ) STRICT
    ;
INSERT INTO "provenance" VALUES(1,'ssd@0123456789ab','cpu',0,'','','');
INSERT INTO "provenance" VALUES(2,'ssd@0123456789ab','cpu',0,'ssd@00112233aabb','dlib@44556677ccdd','family@8899aabbccdd');
CREATE TABLE recogniser (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
    ) STRICT
    ;
INSERT INTO "recogniser" VALUES(1,'family@8899aabbccdd');
CREATE TABLE relabelled (
        relabelling_id INTEGER NOT NULL,
        face_id INTEGER NOT NULL,
        old_verdict TEXT NOT NULL,
        old_name TEXT,
        old_probability REAL,
        old_distance REAL,
        old_recogniser_id INTEGER,
        verdict TEXT NOT NULL,
        name TEXT,
        PRIMARY KEY (relabelling_id, face_id),
        FOREIGN KEY (relabelling_id) REFERENCES relabelling (id) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID
    ;
INSERT INTO "relabelled" VALUES(1,3,'unknown',NULL,0.875,0.25,NULL,'known','Bob');
INSERT INTO "relabelled" VALUES(2,3,'known','Bob',0.5,0.5,1,'unknown',NULL);
CREATE TABLE relabelling (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        ran_at INTEGER NOT NULL,
        recogniser_id INTEGER
    ) STRICT
    ;
INSERT INTO "relabelling" VALUES(1,1714564863000,1);
INSERT INTO "relabelling" VALUES(2,1714564863000,NULL);
CREATE TABLE setting (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    ;
INSERT INTO "setting" VALUES('last stranger','1');
INSERT INTO "setting" VALUES('store identity','sshfs nvr:/events');
CREATE TABLE skipped (
        event_id INTEGER NOT NULL REFERENCES event (id),
        frame INTEGER NOT NULL,
        file_name TEXT NOT NULL,
        reason INTEGER NOT NULL CHECK (reason >= 0),
        PRIMARY KEY (event_id, frame, file_name)
    ) STRICT, WITHOUT ROWID
    ;
INSERT INTO "skipped" VALUES(1,11,'',0);
INSERT INTO "skipped" VALUES(1,12,'',1);
INSERT INTO "skipped" VALUES(1,13,'',0);
CREATE TABLE stationary (
        id INTEGER PRIMARY KEY,
        monitor_id INTEGER NOT NULL REFERENCES monitor (id),
        label_id INTEGER NOT NULL REFERENCES label (id),
        xmin INTEGER NOT NULL,
        ymin INTEGER NOT NULL,
        xmax INTEGER NOT NULL,
        ymax INTEGER NOT NULL,
        first_seen INTEGER NOT NULL,
        first_event_id INTEGER NOT NULL,
        first_frame INTEGER NOT NULL,
        last_seen INTEGER NOT NULL,
        last_event_id INTEGER NOT NULL,
        last_frame INTEGER NOT NULL,
        sightings INTEGER NOT NULL,
        there INTEGER NOT NULL CHECK (there IN (0, 1)),
        stale INTEGER NOT NULL CHECK (stale IN (0, 1)),
        CHECK (0 <= xmin AND xmin < xmax AND 0 <= ymin AND ymin < ymax)
    ) STRICT
    ;
INSERT INTO "stationary" VALUES(1,2,1,600,400,900,600,1714500000000,1,1,1714510000000,1,9,30,0,0);
CREATE TABLE tag (
        id INTEGER PRIMARY KEY,
        event_id INTEGER NOT NULL,
        frame INTEGER NOT NULL,
        file_name TEXT NOT NULL,
        xmin INTEGER NOT NULL,
        ymin INTEGER NOT NULL,
        xmax INTEGER NOT NULL,
        ymax INTEGER NOT NULL,
        name TEXT NOT NULL CHECK (name <> 'unknown'),
        negated INTEGER NOT NULL CHECK (negated IN (0, 1)),
        tagged_at INTEGER NOT NULL,
        face_id INTEGER,
        FOREIGN KEY (event_id) REFERENCES event (id) ON DELETE CASCADE,
        FOREIGN KEY (face_id) REFERENCES face (id) ON DELETE SET NULL,
        CHECK (0 <= xmin AND xmin < xmax AND 0 <= ymin AND ymin < ymax)
    ) STRICT
    ;
INSERT INTO "tag" VALUES(1,2,1,'',12,12,40,44,'Bob',1,1714564863000,3);
CREATE TABLE tally (
        subject TEXT NOT NULL,
        part TEXT NOT NULL,
        value INTEGER NOT NULL,
        PRIMARY KEY (subject, part)
    ) STRICT, WITHOUT ROWID
    ;
INSERT INTO "tally" VALUES('backlog','0',9);
INSERT INTO "tally" VALUES('backlog','1',2);
INSERT INTO "tally" VALUES('backlog','2',3);
INSERT INTO "tally" VALUES('capture','',4);
INSERT INTO "tally" VALUES('detection','',4);
INSERT INTO "tally" VALUES('face','',3);
INSERT INTO "tally" VALUES('failure','truncated',1);
INSERT INTO "tally" VALUES('failure','unreadable',1);
INSERT INTO "tally" VALUES('failure','vanished',1);
INSERT INTO "tally" VALUES('newest captured_at','',1714568400000);
INSERT INTO "tally" VALUES('newest captured_at','3',1714568400000);
INSERT INTO "tally" VALUES('skipped','0',2);
INSERT INTO "tally" VALUES('skipped','1',1);
CREATE INDEX detection_by_capture ON detection (event_id, frame, file_name);
CREATE INDEX failure_by_time ON failure (failed_at);
CREATE TRIGGER capture_tally_insert AFTER INSERT ON capture BEGIN
            INSERT INTO tally (subject, part, value) VALUES ('capture', '', 1)
            ON CONFLICT (subject, part) DO UPDATE SET value = value + 1;
        END;
CREATE TRIGGER capture_tally_delete AFTER DELETE ON capture BEGIN
            UPDATE tally SET value = value - 1 WHERE subject = 'capture' AND part = '';
        END;
CREATE TRIGGER detection_tally_insert AFTER INSERT ON detection BEGIN
            INSERT INTO tally (subject, part, value) VALUES ('detection', '', 1)
            ON CONFLICT (subject, part) DO UPDATE SET value = value + 1;
        END;
CREATE TRIGGER detection_tally_delete AFTER DELETE ON detection BEGIN
            UPDATE tally SET value = value - 1 WHERE subject = 'detection' AND part = '';
        END;
CREATE TRIGGER failure_tally_insert AFTER INSERT ON failure BEGIN
            INSERT INTO tally (subject, part, value) VALUES ('failure', NEW.reason, 1)
            ON CONFLICT (subject, part) DO UPDATE SET value = value + 1;
        END;
CREATE TRIGGER failure_tally_delete AFTER DELETE ON failure BEGIN
            UPDATE tally SET value = value - 1 WHERE subject = 'failure' AND part = OLD.reason;
        END;
CREATE VIEW failures AS
    SELECT
        coalesce(failure.directory, iif(monitor.directory = '', '', monitor.directory || '/') || iif(event.path = '', '', event.path || '/') || iif(failure.file_name = '', printf(event.frame_format, failure.frame), failure.file_name)) AS path,
        failure.reason AS reason,
        failure.message AS message,
        failure.attempts AS attempts,
        strftime('%Y-%m-%d %H:%M:%f', failure.failed_at / 1000.0, 'unixepoch', 'localtime') AS local_time,
        strftime('%Y-%m-%dT%H:%M:%fZ', failure.failed_at / 1000.0, 'unixepoch') AS utc_time,
        monitor.name AS monitor,
        event.path AS event,
        failure.frame AS frame,
        failure.failed_at AS failed_at
    FROM failure
    LEFT JOIN event ON event.id = failure.event_id
    LEFT JOIN monitor ON monitor.id = event.monitor_id;
CREATE INDEX backlog_by_urgency
    ON backlog (monitor_id, origin, fineness, event_started_at DESC, event_id, frame)
    ;
CREATE INDEX backlog_by_age ON backlog (monitor_id, origin, added_at);
CREATE TRIGGER capture_newest AFTER INSERT ON capture BEGIN
        INSERT INTO tally (subject, part, value)
        SELECT 'newest captured_at', monitor_id, NEW.captured_at
        FROM event WHERE id = NEW.event_id
        ON CONFLICT (subject, part) DO UPDATE SET value = max(value, excluded.value);
    END;
CREATE TRIGGER backlog_tally_insert AFTER INSERT ON backlog BEGIN
            INSERT INTO tally (subject, part, value) VALUES ('backlog', NEW.origin, 1)
            ON CONFLICT (subject, part) DO UPDATE SET value = value + 1;
        END;
CREATE TRIGGER backlog_tally_delete AFTER DELETE ON backlog BEGIN
            UPDATE tally SET value = value - 1 WHERE subject = 'backlog' AND part = OLD.origin;
        END;
CREATE TRIGGER skipped_tally_insert AFTER INSERT ON skipped BEGIN
            INSERT INTO tally (subject, part, value) VALUES ('skipped', NEW.reason, 1)
            ON CONFLICT (subject, part) DO UPDATE SET value = value + 1;
        END;
CREATE TRIGGER skipped_tally_delete AFTER DELETE ON skipped BEGIN
            UPDATE tally SET value = value - 1 WHERE subject = 'skipped' AND part = OLD.reason;
        END;
CREATE INDEX stationary_by_time ON stationary (monitor_id, label_id, first_seen);
CREATE INDEX detection_by_time ON detection (captured_at, stay DESC);
CREATE INDEX detection_by_label ON detection (label_id, captured_at, stay DESC);
CREATE INDEX detection_by_monitor ON detection (monitor_id, captured_at, stay DESC);
CREATE TRIGGER detection_stationary_delete AFTER DELETE ON detection
    WHEN OLD.stationary_id IS NOT NULL BEGIN
        UPDATE stationary SET
            sightings = sightings - 1,
            stale = stale OR OLD.captured_at <= first_seen OR OLD.captured_at >= last_seen
        WHERE id = OLD.stationary_id;
    END;
CREATE INDEX event_by_start ON event (monitor_id, started_at);
CREATE VIEW captures AS
        SELECT
            iif(monitor.directory = '', '', monitor.directory || '/') || iif(event.path = '', '', event.path || '/') || iif(capture.file_name = '', printf(event.frame_format, capture.frame), capture.file_name) AS path,
            monitor.name AS monitor,
            event.path AS event,
            capture.frame AS frame,
            'annotated' AS state,
            strftime('%Y-%m-%d %H:%M:%f', capture.captured_at / 1000.0, 'unixepoch', 'localtime') AS local_time,
            strftime('%Y-%m-%dT%H:%M:%fZ', capture.captured_at / 1000.0, 'unixepoch') AS utc_time,
            strftime('%Y-%m-%dT%H:%M:%fZ', capture.annotated_at * 1000 / 1000.0, 'unixepoch') AS annotated_utc_time,
            capture.width AS width,
            capture.height AS height,
            provenance.detector AS detector,
            provenance.delegate AS delegate,
            capture.captured_at AS captured_at,
            capture.event_id AS event_id,
            NULL AS reason,
            provenance.fallback AS fallback,
            capture.inherited_from AS inherited_from
        FROM capture
        JOIN event ON event.id = capture.event_id
        JOIN monitor ON monitor.id = event.monitor_id
        JOIN provenance ON provenance.id = capture.provenance_id
         UNION ALL 
    SELECT
        iif(monitor.directory = '', '', monitor.directory || '/') || iif(event.path = '', '', event.path || '/') || iif(failure.file_name = '', printf(event.frame_format, failure.frame), failure.file_name), monitor.name, event.path, failure.frame, 'failed',
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, failure.event_id, failure.reason, NULL, NULL
    FROM failure
    JOIN event ON event.id = failure.event_id
    JOIN monitor ON monitor.id = event.monitor_id
     UNION ALL 
    SELECT
        iif(monitor.directory = '', '', monitor.directory || '/') || iif(event.path = '', '', event.path || '/') || iif(skipped.file_name = '', printf(event.frame_format, skipped.frame), skipped.file_name), monitor.name, event.path, skipped.frame, 'skipped',
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, skipped.event_id, CASE skipped.reason WHEN 0 THEN 'not every nth frame' WHEN 1 THEN 'waited too long' END, NULL, NULL
    FROM skipped
    JOIN event ON event.id = skipped.event_id
    JOIN monitor ON monitor.id = event.monitor_id
     UNION ALL 
    SELECT
        iif(monitor.directory = '', '', monitor.directory || '/') || iif(event.path = '', '', event.path || '/') || iif(backlog.file_name = '', printf(event.frame_format, backlog.frame), backlog.file_name), monitor.name, event.path, backlog.frame, 'waiting',
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, backlog.event_id, NULL, NULL, NULL
    FROM backlog
    JOIN event ON event.id = backlog.event_id
    JOIN monitor ON monitor.id = event.monitor_id
    
        WHERE NOT EXISTS (
            SELECT 1 FROM capture
            WHERE capture.event_id = backlog.event_id AND capture.frame = backlog.frame
                AND capture.file_name = backlog.file_name
        );
CREATE VIEW stationary_objects AS
    SELECT
        monitor.name AS monitor,
        label.name AS label,
        strftime('%Y-%m-%d %H:%M:%f', stationary.first_seen / 1000.0, 'unixepoch', 'localtime') AS arrived_local_time,
        strftime('%Y-%m-%d %H:%M:%f', stationary.last_seen / 1000.0, 'unixepoch', 'localtime') AS last_seen_local_time,
        iif(stationary.there, 'still there', 'left') AS state,
        stationary.sightings AS sightings,
        stationary.xmin AS xmin,
        stationary.ymin AS ymin,
        stationary.xmax AS xmax,
        stationary.ymax AS ymax,
        strftime('%Y-%m-%dT%H:%M:%fZ', stationary.first_seen / 1000.0, 'unixepoch') AS arrived_utc_time,
        strftime('%Y-%m-%dT%H:%M:%fZ', stationary.last_seen / 1000.0, 'unixepoch') AS last_seen_utc_time,
        stationary.first_seen AS arrived_at,
        stationary.last_seen AS last_seen_at,
        stationary.id AS stationary_id
    FROM stationary
    JOIN label ON label.id = stationary.label_id
    JOIN monitor ON monitor.id = stationary.monitor_id;
CREATE INDEX face_by_detection ON face (detection_id);
CREATE INDEX face_by_name ON face (name, captured_at);
CREATE INDEX face_by_verdict ON face (verdict, captured_at);
CREATE INDEX face_by_event ON face (event_id, track, seen_better);
CREATE INDEX face_by_stranger ON face (stranger) WHERE stranger IS NOT NULL;
CREATE TRIGGER face_tally_insert AFTER INSERT ON face BEGIN
            INSERT INTO tally (subject, part, value) VALUES ('face', '', 1)
            ON CONFLICT (subject, part) DO UPDATE SET value = value + 1;
        END;
CREATE TRIGGER face_tally_delete AFTER DELETE ON face BEGIN
            UPDATE tally SET value = value - 1 WHERE subject = 'face' AND part = '';
        END;
CREATE UNIQUE INDEX tag_by_face ON tag (face_id, name);
CREATE INDEX tag_by_capture ON tag (event_id, frame, file_name);
CREATE VIEW sightings AS
    SELECT
        strftime('%Y-%m-%d %H:%M:%f', detection.captured_at / 1000.0, 'unixepoch', 'localtime') AS local_time,
        strftime('%Y-%m-%dT%H:%M:%fZ', detection.captured_at / 1000.0, 'unixepoch') AS utc_time,
        monitor.name AS monitor,
        event.path AS event,
        detection.frame AS frame,
        label.name AS label,
        detection.score AS score,
        detection.xmin AS xmin,
        detection.ymin AS ymin,
        detection.xmax AS xmax,
        detection.ymax AS ymax,
        face.name AS name,
        face.probability AS probability,
        face.verdict AS verdict,
        face.xmin AS face_xmin,
        face.ymin AS face_ymin,
        face.xmax AS face_xmax,
        face.ymax AS face_ymax,
        iif(monitor.directory = '', '', monitor.directory || '/') || iif(event.path = '', '', event.path || '/') || iif(detection.file_name = '', printf(event.frame_format, detection.frame), detection.file_name) AS path,
        detection.captured_at AS captured_at,
        detection.class_id AS class_id,
        detection.event_id AS event_id,
        detection.id AS detection_id,
        face.id AS face_id,
        CASE detection.stay
            WHEN 0 THEN 'arrived' WHEN 1 THEN 'still there' WHEN 2 THEN 'left'
        END AS stay,
        detection.stationary_id AS stationary_id,
        face.track AS track,
        face.seen_better AS seen_better,
        face.stranger AS stranger,
        face.weight AS weight,
        iif(
            face.id IS NULL, NULL, EXISTS (SELECT 1 FROM overruled WHERE face_id = face.id)
        ) AS by_hand,
        (SELECT name FROM recogniser WHERE id = face.recogniser_id) AS recogniser
    FROM detection
    JOIN label ON label.id = detection.label_id
    JOIN event ON event.id = detection.event_id
    JOIN monitor ON monitor.id = detection.monitor_id
    LEFT JOIN face ON face.detection_id = detection.id;
CREATE VIEW faces AS
    SELECT
        strftime('%Y-%m-%d %H:%M:%f', face.captured_at / 1000.0, 'unixepoch', 'localtime') AS local_time,
        strftime('%Y-%m-%dT%H:%M:%fZ', face.captured_at / 1000.0, 'unixepoch') AS utc_time,
        monitor.name AS monitor,
        event.path AS event,
        detection.frame AS frame,
        label.name AS label,
        detection.score AS score,
        detection.xmin AS xmin,
        detection.ymin AS ymin,
        detection.xmax AS xmax,
        detection.ymax AS ymax,
        face.name AS name,
        face.probability AS probability,
        face.verdict AS verdict,
        face.xmin AS face_xmin,
        face.ymin AS face_ymin,
        face.xmax AS face_xmax,
        face.ymax AS face_ymax,
        iif(monitor.directory = '', '', monitor.directory || '/') || iif(event.path = '', '', event.path || '/') || iif(detection.file_name = '', printf(event.frame_format, detection.frame), detection.file_name) AS path,
        face.captured_at AS captured_at,
        detection.class_id AS class_id,
        detection.event_id AS event_id,
        detection.id AS detection_id,
        face.id AS face_id,
        CASE detection.stay
            WHEN 0 THEN 'arrived' WHEN 1 THEN 'still there' WHEN 2 THEN 'left'
        END AS stay,
        detection.stationary_id AS stationary_id,
        face.track AS track,
        face.seen_better AS seen_better,
        face.stranger AS stranger,
        face.weight AS weight,
        iif(
            face.id IS NULL, NULL, EXISTS (SELECT 1 FROM overruled WHERE face_id = face.id)
        ) AS by_hand,
        (SELECT name FROM recogniser WHERE id = face.recogniser_id) AS recogniser
    FROM detection
    JOIN label ON label.id = detection.label_id
    JOIN event ON event.id = detection.event_id
    JOIN monitor ON monitor.id = detection.monitor_id
    JOIN face ON face.detection_id = detection.id;
CREATE VIEW tags AS
    SELECT
        strftime('%Y-%m-%d %H:%M:%f', tag.tagged_at / 1000.0, 'unixepoch', 'localtime') AS tagged_local_time,
        tag.name AS name,
        tag.negated AS negated,
        coalesce(overruled.name, overruled.verdict) AS before,
        iif(monitor.directory = '', '', monitor.directory || '/') || iif(event.path = '', '', event.path || '/') || iif(tag.file_name = '', printf(event.frame_format, tag.frame), tag.file_name) AS path,
        monitor.name AS monitor,
        event.path AS event,
        tag.frame AS frame,
        tag.xmin AS xmin,
        tag.ymin AS ymin,
        tag.xmax AS xmax,
        tag.ymax AS ymax,
        strftime('%Y-%m-%dT%H:%M:%fZ', tag.tagged_at / 1000.0, 'unixepoch') AS tagged_utc_time,
        tag.tagged_at AS tagged_at,
        tag.event_id AS event_id,
        tag.face_id AS face_id
    FROM tag
    JOIN event ON event.id = tag.event_id
    JOIN monitor ON monitor.id = event.monitor_id
    LEFT JOIN overruled ON overruled.face_id = tag.face_id;
CREATE INDEX event_by_beginning ON event (began_at);
CREATE TRIGGER detection_count_insert AFTER INSERT ON detection BEGIN 
        INSERT INTO label_count VALUES (
            NEW.label_id, NEW.captured_at / 900000, NEW.event_id, (NEW.stay IS 1), NEW.monitor_id,
            1, 1
        )
        ON CONFLICT DO UPDATE
        SET detections = detections + 1, sightings = sightings + excluded.sightings;
     END;
CREATE TRIGGER detection_count_delete AFTER DELETE ON detection BEGIN 
        UPDATE label_count
        SET detections = detections - 1, sightings = sightings - 1 
        WHERE label_id = OLD.label_id AND quarter = OLD.captured_at / 900000
            AND event_id = OLD.event_id AND still = (OLD.stay IS 1)
    ;
        DELETE FROM label_count 
        WHERE label_id = OLD.label_id AND quarter = OLD.captured_at / 900000
            AND event_id = OLD.event_id AND still = (OLD.stay IS 1)
     AND detections = 0;
     END;
CREATE TRIGGER detection_faces_delete BEFORE DELETE ON detection BEGIN
        DELETE FROM face WHERE detection_id = OLD.id;
    END;
CREATE TRIGGER detection_count_update AFTER UPDATE OF stay ON detection
    WHEN (OLD.stay IS 1) <> (NEW.stay IS 1) BEGIN
        
        UPDATE label_count
        SET detections = detections - 1, sightings = sightings - (SELECT max(count(*), 1) FROM face WHERE detection_id = OLD.id) 
        WHERE label_id = OLD.label_id AND quarter = OLD.captured_at / 900000
            AND event_id = OLD.event_id AND still = (OLD.stay IS 1)
    ;
        DELETE FROM label_count 
        WHERE label_id = OLD.label_id AND quarter = OLD.captured_at / 900000
            AND event_id = OLD.event_id AND still = (OLD.stay IS 1)
     AND detections = 0;
     
        INSERT INTO label_count VALUES (
            NEW.label_id, NEW.captured_at / 900000, NEW.event_id, (NEW.stay IS 1), NEW.monitor_id,
            1, (SELECT max(count(*), 1) FROM face WHERE detection_id = NEW.id)
        )
        ON CONFLICT DO UPDATE
        SET detections = detections + 1, sightings = sightings + excluded.sightings;
     
        UPDATE name_count
        SET faces = faces - (SELECT count(*) FROM face WHERE detection_id = NEW.id AND iif(face.verdict = 'unknown', 'unknown', face.name) IS NOT NULL AND iif(face.verdict = 'unknown', 'unknown', face.name) = name_count.name)
        
        WHERE quarter = OLD.captured_at / 900000 AND event_id = OLD.event_id
            AND still = (OLD.stay IS 1) AND name IN (SELECT iif(face.verdict = 'unknown', 'unknown', face.name) FROM face WHERE detection_id = NEW.id AND iif(face.verdict = 'unknown', 'unknown', face.name) IS NOT NULL)
    ;
        DELETE FROM name_count 
        WHERE quarter = OLD.captured_at / 900000 AND event_id = OLD.event_id
            AND still = (OLD.stay IS 1) AND name IN (SELECT iif(face.verdict = 'unknown', 'unknown', face.name) FROM face WHERE detection_id = NEW.id AND iif(face.verdict = 'unknown', 'unknown', face.name) IS NOT NULL)
     AND faces = 0;
        INSERT INTO name_count
        SELECT iif(face.verdict = 'unknown', 'unknown', face.name), NEW.captured_at / 900000, NEW.event_id, (NEW.stay IS 1),
            NEW.monitor_id, count(*)
        FROM face WHERE detection_id = NEW.id AND iif(face.verdict = 'unknown', 'unknown', face.name) IS NOT NULL GROUP BY 1
        ON CONFLICT DO UPDATE SET faces = faces + excluded.faces;
    
    END;
CREATE TRIGGER face_count_insert AFTER INSERT ON face
    WHEN iif(NEW.verdict = 'unknown', 'unknown', NEW.name) IS NOT NULL BEGIN 
        INSERT INTO name_count
        SELECT iif(NEW.verdict = 'unknown', 'unknown', NEW.name), NEW.captured_at / 900000, event_id, (detection.stay IS 1), monitor_id, 1
        FROM detection WHERE id = NEW.detection_id AND iif(NEW.verdict = 'unknown', 'unknown', NEW.name) IS NOT NULL
        ON CONFLICT DO UPDATE SET faces = faces + 1;
     END;
CREATE TRIGGER face_count_delete AFTER DELETE ON face
    WHEN iif(OLD.verdict = 'unknown', 'unknown', OLD.name) IS NOT NULL BEGIN 
        UPDATE name_count SET faces = faces - 1 
        WHERE name = iif(OLD.verdict = 'unknown', 'unknown', OLD.name) AND quarter = OLD.captured_at / 900000
            AND event_id = OLD.event_id AND still = (
                SELECT (detection.stay IS 1) FROM detection WHERE id = OLD.detection_id
            )
    ;
        DELETE FROM name_count 
        WHERE name = iif(OLD.verdict = 'unknown', 'unknown', OLD.name) AND quarter = OLD.captured_at / 900000
            AND event_id = OLD.event_id AND still = (
                SELECT (detection.stay IS 1) FROM detection WHERE id = OLD.detection_id
            )
     AND faces = 0;
     END;
CREATE TRIGGER face_count_update AFTER UPDATE OF name, verdict ON face
    WHEN iif(OLD.verdict = 'unknown', 'unknown', OLD.name) IS NOT iif(NEW.verdict = 'unknown', 'unknown', NEW.name) BEGIN
        
        UPDATE name_count SET faces = faces - 1 
        WHERE name = iif(OLD.verdict = 'unknown', 'unknown', OLD.name) AND quarter = OLD.captured_at / 900000
            AND event_id = OLD.event_id AND still = (
                SELECT (detection.stay IS 1) FROM detection WHERE id = OLD.detection_id
            )
    ;
        DELETE FROM name_count 
        WHERE name = iif(OLD.verdict = 'unknown', 'unknown', OLD.name) AND quarter = OLD.captured_at / 900000
            AND event_id = OLD.event_id AND still = (
                SELECT (detection.stay IS 1) FROM detection WHERE id = OLD.detection_id
            )
     AND faces = 0;
     
        INSERT INTO name_count
        SELECT iif(NEW.verdict = 'unknown', 'unknown', NEW.name), NEW.captured_at / 900000, event_id, (detection.stay IS 1), monitor_id, 1
        FROM detection WHERE id = NEW.detection_id AND iif(NEW.verdict = 'unknown', 'unknown', NEW.name) IS NOT NULL
        ON CONFLICT DO UPDATE SET faces = faces + 1;
    
    END;
CREATE TRIGGER face_sightings_insert AFTER INSERT ON face
    WHEN EXISTS (SELECT 1 FROM face WHERE detection_id = NEW.detection_id AND id <> NEW.id) BEGIN 
        UPDATE label_count SET sightings = sightings + 1
        WHERE (label_id, quarter, event_id, still) = (
            SELECT label_id, detection.captured_at / 900000, event_id, (detection.stay IS 1)
            FROM detection WHERE id = NEW.detection_id
        );
     END;
CREATE TRIGGER face_sightings_delete AFTER DELETE ON face
    WHEN EXISTS (SELECT 1 FROM face WHERE detection_id = OLD.detection_id AND id <> OLD.id) BEGIN 
        UPDATE label_count SET sightings = sightings - 1
        WHERE (label_id, quarter, event_id, still) = (
            SELECT label_id, detection.captured_at / 900000, event_id, (detection.stay IS 1)
            FROM detection WHERE id = OLD.detection_id
        );
     END;
CREATE TRIGGER capture_beginning AFTER INSERT ON capture BEGIN
        UPDATE event SET began_at = NEW.captured_at
        WHERE id = NEW.event_id AND (began_at IS NULL OR began_at > NEW.captured_at);
    END;
CREATE VIEW event_people AS
    WITH person AS (
        SELECT
            event.started_at,
            event.id AS event_id,
            
    iif(
        face.track IS NULL,
        coalesce(face.name, 'unknown'),
        coalesce(
            (
                SELECT tag.name FROM tag JOIN face AS named ON named.id = tag.face_id
                WHERE tag.event_id = face.event_id AND NOT tag.negated
                    AND named.track = face.track
                GROUP BY 1 ORDER BY sum(named.weight) DESC, 1 LIMIT 1
            ),
            (
                SELECT coalesce(voice.name, 'unknown') FROM face AS voice
                WHERE voice.event_id = face.event_id AND voice.track = face.track
                    AND voice.seen_better = 0 AND voice.verdict IN ('known', 'unknown', 'no gallery')
                GROUP BY 1 ORDER BY sum(voice.weight) DESC, 1 LIMIT 1
            ),
            face.name,
            'unknown'
        )
    )
 AS name,
            max(EXISTS (
                SELECT 1 FROM tag WHERE tag.face_id = face.id AND NOT tag.negated
            )) AS by_hand,
            sum(iif(face.seen_better, 0, face.weight)) AS weight,
            count(*) AS faces,
            min(face.captured_at) AS first_at,
            max(face.captured_at) AS last_at
        FROM monitor
        CROSS JOIN event ON event.monitor_id = monitor.id
        CROSS JOIN face ON face.event_id = event.id
        WHERE face.verdict IN ('known', 'unknown', 'no gallery')
        GROUP BY 1, 2, 3
    )
    SELECT
        monitor.name AS monitor,
        event.path AS event,
        person.name AS name,
        coalesce(
            person.weight / nullif((
                SELECT sum(iif(face.seen_better, 0, face.weight)) FROM face
                WHERE face.event_id = person.event_id AND face.verdict IN ('known', 'unknown', 'no gallery')
            ), 0),
            0
        ) AS share,
        person.faces AS faces,
        strftime('%Y-%m-%d %H:%M:%f', person.first_at / 1000.0, 'unixepoch', 'localtime') AS first_local_time,
        strftime('%Y-%m-%d %H:%M:%f', person.last_at / 1000.0, 'unixepoch', 'localtime') AS last_local_time,
        iif(monitor.directory = '', '', monitor.directory || '/') || iif(event.path = '', '', event.path || '/') || iif(detection.file_name = '', printf(event.frame_format, detection.frame), detection.file_name) AS best_path,
        person.by_hand AS by_hand,
        strftime('%Y-%m-%dT%H:%M:%fZ', person.first_at / 1000.0, 'unixepoch') AS first_utc_time,
        strftime('%Y-%m-%dT%H:%M:%fZ', person.last_at / 1000.0, 'unixepoch') AS last_utc_time,
        person.first_at AS first_at,
        person.last_at AS last_at,
        person.started_at AS started_at,
        person.event_id AS event_id,
        best.id AS best_face_id
    FROM person
    JOIN event ON event.id = person.event_id
    JOIN monitor ON monitor.id = event.monitor_id
    -- The clearest face of that name; where none of them was embedded, the clearest of its track.
    JOIN face AS best ON best.id = coalesce(
        (
            SELECT face.id FROM face
            WHERE face.event_id = person.event_id AND face.verdict IN ('known', 'unknown', 'no gallery')
                AND NOT face.seen_better
                AND coalesce(face.name, 'unknown') = person.name
            ORDER BY face.weight DESC, face.id LIMIT 1
        ),
        (
            SELECT face.id FROM face
            JOIN face AS same ON same.event_id = face.event_id
                AND (same.track = face.track OR same.id = face.id)
            WHERE face.event_id = person.event_id AND face.verdict IN ('known', 'unknown', 'no gallery')
                AND coalesce(same.name, 'unknown') = person.name
            ORDER BY face.seen_better, face.weight DESC, face.id LIMIT 1
        )
    )
    JOIN detection ON detection.id = best.detection_id;
CREATE VIEW label_counts AS
    SELECT
        strftime('%Y-%m-%d %H:%M:%f', quarter * 900000 / 1000.0, 'unixepoch', 'localtime') AS local_time,
        label.name AS label,
        monitor.name AS monitor,
        event.path AS event,
        still AS still_there,
        detections,
        sightings,
        strftime('%Y-%m-%dT%H:%M:%fZ', quarter * 900000 / 1000.0, 'unixepoch') AS utc_time,
        quarter * 900000 AS quarter_at,
        event_id
    FROM label_count
    JOIN label ON label.id = label_id
    JOIN event ON event.id = event_id
    JOIN monitor ON monitor.id = label_count.monitor_id;
CREATE VIEW name_counts AS
    SELECT
        strftime('%Y-%m-%d %H:%M:%f', quarter * 900000 / 1000.0, 'unixepoch', 'localtime') AS local_time,
        name_count.name AS name,
        monitor.name AS monitor,
        event.path AS event,
        still AS still_there,
        faces,
        strftime('%Y-%m-%dT%H:%M:%fZ', quarter * 900000 / 1000.0, 'unixepoch') AS utc_time,
        quarter * 900000 AS quarter_at,
        event_id
    FROM name_count
    JOIN event ON event.id = event_id
    JOIN monitor ON monitor.id = name_count.monitor_id;
CREATE VIEW people AS
    WITH counted AS (
        SELECT name, count(DISTINCT event_id) AS events, sum(faces) AS faces
        FROM name_count GROUP BY name
    ),
    person AS (
        SELECT
            name, events, faces,
            iif(
    name = 'unknown',
    (SELECT min(captured_at) FROM face WHERE verdict = 'unknown'),
    (SELECT min(captured_at) FROM face WHERE face.name = counted.name)
) AS first_at,
            iif(
    name = 'unknown',
    (SELECT max(captured_at) FROM face WHERE verdict = 'unknown'),
    (SELECT max(captured_at) FROM face WHERE face.name = counted.name)
) AS last_at
        FROM counted
    )
    SELECT
        name,
        events,
        faces,
        strftime('%Y-%m-%d %H:%M:%f', first_at / 1000.0, 'unixepoch', 'localtime') AS first_local_time,
        strftime('%Y-%m-%d %H:%M:%f', last_at / 1000.0, 'unixepoch', 'localtime') AS last_local_time,
        strftime('%Y-%m-%dT%H:%M:%fZ', first_at / 1000.0, 'unixepoch') AS first_utc_time,
        strftime('%Y-%m-%dT%H:%M:%fZ', last_at / 1000.0, 'unixepoch') AS last_utc_time,
        first_at,
        last_at
    FROM person;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('face',3);
INSERT INTO "sqlite_sequence" VALUES('relabelling',2);
COMMIT;
